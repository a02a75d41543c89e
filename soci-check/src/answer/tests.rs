//! The answer for each kind of tag, in words.

use soci_document::{
    CheckedIndex, CheckedManifest, FargateAnswer, Finding, IndexVersion, LayerCoverage, Severity,
    Verdict,
};
use soci_oci::Digest;

use super::{Circumstances, answer};
use crate::surroundings::RegistryKind;
use crate::tag::CheckedTag;

/// A manifest of a platform, with so many lazy ones of its four layers of 100 bytes, and its SOCI
/// indexes.
fn manifest(platform: &str, lazy: u64, versions: &[IndexVersion]) -> CheckedManifest {
    let indexes = versions.iter().map(|&version| CheckedIndex {
        version,
        digest: Digest::of(b"a SOCI index"),
    });
    CheckedManifest {
        manifest: Digest::of(platform.as_bytes()),
        platform: (!platform.is_empty()).then(|| platform.parse().expect("a platform")),
        indexes: indexes.collect(),
        layers: coverage(4, lazy),
    }
}

fn coverage(count: u64, lazy: u64) -> LayerCoverage {
    LayerCoverage {
        count,
        bytes: 100 * count,
        lazy,
        lazy_bytes: 100 * lazy,
    }
}

/// The tag of these manifests, which share no layer.
fn tag(manifests: &[CheckedManifest]) -> CheckedTag {
    let sum = |part: fn(&LayerCoverage) -> u64| {
        let parts = manifests.iter().map(|manifest| part(&manifest.layers));
        parts.sum::<u64>()
    };
    CheckedTag {
        layers: coverage(sum(|layers| layers.count), sum(|layers| layers.lazy)),
        manifests: manifests.to_vec(),
    }
}

fn finding(rule: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        rule: rule.to_owned(),
        manifest: None,
        layer: None,
        message: "what is wrong".to_owned(),
        hint: None,
    }
}

/// A private repository of Amazon ECR, no error, and no layer compressed with zstd.
const IN_ECR: Circumstances<'_> = Circumstances {
    registry: &RegistryKind::Ecr,
    errors: 0,
    first_error: None,
    zstd: None,
};

#[track_caller]
fn assert_answer(
    manifests: &[CheckedManifest],
    circumstances: &Circumstances<'_>,
    expected: (Verdict, FargateAnswer, &str),
) {
    let answer = answer(&tag(manifests), circumstances);
    let found = (answer.verdict, answer.fargate, answer.text.as_str());
    assert_eq!(found, expected);
}

const V1: &[IndexVersion] = &[IndexVersion::V1];
const V2: &[IndexVersion] = &[IndexVersion::V2];

#[test]
fn a_tag_with_version_2_on_all_platforms_is_lazy() {
    let yes = "yes, the tag starts lazily on Fargate: 3 of 4 layers, 75 % of bytes lazy";
    for platform in ["linux/amd64", "linux/arm64", "linux/arm64/v8", ""] {
        let manifests = [manifest(platform, 3, V2)];
        assert_answer(
            &manifests,
            &IN_ECR,
            (Verdict::Lazy, FargateAnswer::Yes, yes),
        );
    }
    let both = [
        manifest("linux/amd64", 4, V2),
        manifest("linux/arm64", 4, &[IndexVersion::V2, IndexVersion::V1]),
    ];
    let yes = "yes, the tag starts lazily on Fargate: 8 of 8 layers, 100 % of bytes lazy";
    assert_answer(&both, &IN_ECR, (Verdict::Lazy, FargateAnswer::Yes, yes));
}

/// Half of the bytes are enough.
#[test]
fn a_tag_is_partly_lazy_below_half_of_the_bytes() {
    let half = "yes, the tag starts lazily on Fargate: 2 of 4 layers, 50 % of bytes lazy";
    let manifests = [manifest("linux/amd64", 2, V2)];
    assert_answer(
        &manifests,
        &IN_ECR,
        (Verdict::Lazy, FargateAnswer::Yes, half),
    );
    let less = "in part, the tag starts lazily on Fargate: 1 of 4 layers, 25 % of bytes lazy";
    let manifests = [manifest("linux/amd64", 1, V2)];
    assert_answer(
        &manifests,
        &IN_ECR,
        (Verdict::Partly, FargateAnswer::Partly, less),
    );
}

#[test]
fn a_tag_is_partly_lazy_if_a_platform_of_fargate_is_not() {
    let text = "in part, the tag starts lazily on Fargate: 4 of 8 layers, 50 % of bytes lazy (on linux/amd64, not on linux/arm64)";
    let manifests = [
        manifest("linux/amd64", 4, V2),
        manifest("linux/arm64", 0, &[]),
    ];
    assert_answer(
        &manifests,
        &IN_ECR,
        (Verdict::Partly, FargateAnswer::Partly, text),
    );
    // Both are lazy, but one only by version 1.
    let text = "in part, the tag starts lazily on Fargate: 8 of 8 layers, 100 % of bytes lazy";
    let manifests = [
        manifest("linux/amd64", 4, V2),
        manifest("linux/arm64", 4, V1),
    ];
    assert_answer(
        &manifests,
        &IN_ECR,
        (Verdict::Partly, FargateAnswer::Partly, text),
    );
}

/// Fargate runs no other platform, so that another one changes only the verdict for readers
/// elsewhere.
#[test]
fn a_platform_that_fargate_does_not_run_does_not_count_for_it() {
    let text = "yes, the tag starts lazily on Fargate: 4 of 8 layers, 50 % of bytes lazy";
    let manifests = [
        manifest("linux/amd64", 4, V2),
        manifest("linux/s390x", 0, &[]),
    ];
    assert_answer(
        &manifests,
        &IN_ECR,
        (Verdict::Partly, FargateAnswer::Yes, text),
    );
    let text = "no, the tag does not start lazily on Fargate: it is for no platform of Fargate";
    for platform in ["linux/s390x", "windows/amd64"] {
        let manifests = [manifest(platform, 4, V2)];
        assert_answer(
            &manifests,
            &IN_ECR,
            (Verdict::Lazy, FargateAnswer::No, text),
        );
    }
}

#[test]
fn version_1_alone_is_for_accounts_that_used_it_before() {
    let text = "only in AWS accounts that used SOCI before version 2, the tag starts lazily on Fargate: 4 of 4 layers, 100 % of bytes lazy";
    let manifests = [manifest("linux/amd64", 4, V1)];
    let expected = (Verdict::Partly, FargateAnswer::Version1Only, text);
    assert_answer(&manifests, &IN_ECR, expected);
}

/// Readers skip a layer that is compressed with zstd.
#[test]
fn a_layer_with_zstd_makes_the_answer_partly() {
    let zstd = finding("zstd-layer");
    let circumstances = Circumstances {
        zstd: Some(&zstd),
        ..IN_ECR
    };
    let text = "in part, the tag starts lazily on Fargate: 3 of 4 layers, 75 % of bytes lazy";
    let manifests = [manifest("linux/amd64", 3, V2)];
    assert_answer(
        &manifests,
        &circumstances,
        (Verdict::Lazy, FargateAnswer::Partly, text),
    );
}

#[test]
fn a_tag_that_is_not_lazy_says_why() {
    let lacks: [(&[CheckedManifest], &str); 3] = [
        (&[], "it names no image"),
        (&[manifest("linux/amd64", 0, &[])], "it has no SOCI index"),
        (
            &[manifest("linux/amd64", 0, V2)],
            "no layer has a usable ztoc",
        ),
    ];
    for (manifests, lack) in lacks {
        let text = format!("no, the tag does not start lazily on Fargate: {lack}");
        let expected = (Verdict::NotLazy, FargateAnswer::No, text.as_str());
        assert_answer(manifests, &IN_ECR, expected);
    }
}

#[test]
fn the_answer_depends_on_the_registry() {
    let manifests = [manifest("linux/amd64", 4, V2)];
    let in_layout = Circumstances {
        registry: &RegistryKind::Layout,
        ..IN_ECR
    };
    let text = "yes, the tag starts lazily on Fargate once it is in a private repository of Amazon ECR: 4 of 4 layers, 100 % of bytes lazy";
    let expected = (Verdict::Lazy, FargateAnswer::Yes, text);
    assert_answer(&manifests, &in_layout, expected);
    let other = RegistryKind::Other("ghcr.io".to_owned());
    let elsewhere = Circumstances {
        registry: &other,
        ..IN_ECR
    };
    let text = "no, Fargate loads images lazily only from private repositories of Amazon ECR, not from ghcr.io; other readers: 4 of 4 layers, 100 % of bytes lazy";
    let expected = (Verdict::Lazy, FargateAnswer::No, text);
    assert_answer(&manifests, &elsewhere, expected);
    // An image that is not lazy would not be lazy in ECR either.
    let manifests = [manifest("linux/amd64", 0, &[])];
    let text = "no, the tag does not start lazily on Fargate: it has no SOCI index";
    let expected = (Verdict::NotLazy, FargateAnswer::No, text);
    assert_answer(&manifests, &elsewhere, expected);
}

#[test]
fn an_error_is_named_with_the_number_of_errors() {
    let error = finding("ztoc-missing");
    let manifests = [manifest("linux/amd64", 4, V2)];
    for (errors, count) in [(1, "1 error"), (3, "3 errors")] {
        let circumstances = Circumstances {
            errors,
            first_error: Some(&error),
            ..IN_ECR
        };
        let text = format!(
            "no, the tag does not start lazily on Fargate: {count}, ztoc-missing: what is wrong"
        );
        let expected = (Verdict::Broken, FargateAnswer::No, text.as_str());
        assert_answer(&manifests, &circumstances, expected);
    }
}
