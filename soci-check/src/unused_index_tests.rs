//! Images whose SOCI indexes are sound, but are not used, or belong to another image.

use serde_json::{Value, json};
use soci_document::{FargateAnswer, Severity, Verdict};
use soci_oci::media_type::{DOCKER_MANIFEST, SOCI_INDEX_V1};

use crate::fixture::{Edits, Fixture};
use crate::wrong_index_tests::{Case, OTHER, assert_error, assert_warning, check, rules};

/// As [`Case`], with the severity of the rule.
type SeverityCase = (&'static str, Severity, fn(&mut Value));

/// SOCI indexes of version 1, which the registry lists as referrers.
#[test]
fn a_wrong_soci_index_of_version_1_is_found() {
    let version_1: Option<fn(&mut Value)> = Some(|_| ());
    let fixture = Fixture::new(&Edits {
        version_1,
        ..Edits::default()
    });
    let check = fixture.check("v1");
    assert_eq!(
        rules(&check, Severity::Error),
        [""; 0],
        "{:#?}",
        check.findings
    );
    assert_eq!(check.fargate, FargateAnswer::Version1Only);
    assert!(rules(&check, Severity::Warning).contains(&"not-converted"));
    assert!(
        check
            .answer
            .contains("deploy 123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1-soci")
    );
    let converted = check.converted.expect("the converted image");
    assert_eq!(converted.fargate, FargateAnswer::Yes);
    let cases: [Case; 3] = [
        ("soci-index-subject", |index| {
            index["subject"]["size"] = 12.into();
        }),
        ("soci-index-subject", |index| {
            index["subject"]["mediaType"] = DOCKER_MANIFEST.into();
        }),
        ("soci-index-artifact-type", |index| {
            index["artifactType"] = SOCI_INDEX_V1.into();
        }),
    ];
    for (rule, edit) in cases {
        let version_1 = Some(edit);
        let fixture = Fixture::new(&Edits {
            version_1,
            ..Edits::default()
        });
        assert_error(&fixture.check("v1"), rule);
    }
}

/// Users' pain 11: whether the index will be used.
#[test]
fn a_tag_without_a_converted_image_is_a_warning() {
    let mut fixture = Fixture::new(&Edits::default());
    fixture.image.remove_blob(fixture.root.digest);
    let check = fixture.check("v1");
    assert_warning(&check, "no-soci-index");
    let mut findings = check.findings.iter();
    assert!(findings.any(|found| found.message.starts_with("linux/amd64 has no SOCI index;")));
    assert_eq!(
        (check.verdict, check.fargate),
        (Verdict::NotLazy, FargateAnswer::No)
    );
    let answer = "no, the tag does not start lazily on Fargate: it has no SOCI index";
    assert_eq!(check.answer, answer);
}

/// The converted image differs from the original only where it must.
#[test]
fn a_converted_image_of_another_image_is_stale() {
    let edits: [fn(&mut Value); 4] = [
        |manifest| {
            manifest["layers"].as_array_mut().expect("layers").pop();
        },
        |manifest| manifest["annotations"]["mine"] = "changed".into(),
        |manifest| manifest["artifactType"] = "a/b".into(),
        |manifest| manifest["subject"] = json!({"mediaType": "a", "digest": OTHER, "size": 1}),
    ];
    for edit in edits {
        let fixture = Fixture::new(&Edits {
            manifest: Some(edit),
            ..Edits::default()
        });
        for tag in ["v1", "v1-soci"] {
            let check = fixture.check(tag);
            let warnings = rules(&check, Severity::Warning);
            assert!(
                warnings.contains(&"converted-stale"),
                "{:#?}",
                check.findings
            );
        }
    }
}

/// Fargate: platforms, zstd, encrypted layers, Docker's media types.
#[test]
fn what_fargate_does_not_load_lazily_is_named() {
    let cases: [SeverityCase; 3] = [
        ("zstd-layer", Severity::Warning, |manifest| {
            manifest["layers"][1]["mediaType"] =
                "application/vnd.oci.image.layer.v1.tar+zstd".into();
        }),
        ("unindexable-layer", Severity::Warning, |manifest| {
            manifest["layers"][1]["mediaType"] =
                "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".into();
        }),
        ("docker-layer", Severity::Note, |manifest| {
            manifest["layers"][1]["mediaType"] =
                "application/vnd.docker.image.rootfs.diff.tar.gzip".into();
        }),
    ];
    for (rule, severity, edit) in cases {
        let check = check(&Edits {
            manifest: Some(edit),
            ..Edits::default()
        });
        assert!(
            rules(&check, severity).contains(&rule),
            "{rule}: {:#?}",
            check.findings
        );
    }
    let root: Option<fn(&mut Value)> = Some(|root| {
        for entry in root["manifests"].as_array_mut().expect("manifests") {
            entry["platform"]["architecture"] = "s390x".into();
        }
    });
    let check = check(&Edits {
        root,
        ..Edits::default()
    });
    assert!(rules(&check, Severity::Warning).contains(&"not-on-fargate"));
    let mut findings = check.findings.iter();
    assert!(findings.any(|found| found.message.contains("for linux/s390x is not in image")));
    assert_eq!(
        (check.verdict, check.fargate),
        (Verdict::Lazy, FargateAnswer::No)
    );
}

/// An index may list any number of manifests, each of which costs a request.
#[test]
fn only_so_many_manifests_are_read() {
    let root: Option<fn(&mut Value)> = Some(|root| {
        let entries = root["manifests"].as_array_mut().expect("manifests");
        for number in 0..1100 {
            let digest = format!("sha256:{number:064x}");
            let media_type = "application/vnd.oci.image.manifest.v1+json";
            entries.push(json!({"mediaType": media_type, "digest": digest, "size": 1}));
        }
    });
    let check = check(&Edits {
        root,
        ..Edits::default()
    });
    assert_error(&check, "too-many-manifests");
    // Of each rule, only the first findings are listed.
    let missing = rules(&check, Severity::Warning);
    assert_eq!(missing, vec!["manifest-missing"; 20]);
    assert_eq!(check.omitted, 999 - 20);
}
