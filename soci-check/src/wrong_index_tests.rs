//! A wrong index of each kind is found, and named by its rule.

use serde_json::{Value, json};
use soci_document::{Check, FargateAnswer, Severity, Verdict};
use soci_oci::media_type::{DOCKER_MANIFEST, OCI_MANIFEST, SOCI_INDEX_V1};
use soci_oci::soci::{
    BUILD_TOOL_IDENTIFIER, DISABLE_XATTRS, IMAGE_MANIFEST_DIGEST, INDEX_DIGEST, LAYER_DIGEST,
    LAYER_MEDIA_TYPE, SPAN_SIZE,
};

use crate::fixture::{Edits, Fixture};

/// Another digest than any in the fixture.
pub(crate) const OTHER: &str =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The name of a rule, and the change that breaks it.
pub(crate) type Case = (&'static str, fn(&mut Value));

/// As [`Case`], for the bytes of a ztoc.
type BytesCase = (&'static str, fn(&mut Vec<u8>));

/// Returns the rules of the findings of a severity.
pub(crate) fn rules(check: &Check, severity: Severity) -> Vec<&str> {
    let findings = check.findings_of(severity);
    findings.map(|finding| finding.rule.as_str()).collect()
}

#[track_caller]
pub(crate) fn assert_error(check: &Check, rule: &str) {
    let errors = rules(check, Severity::Error);
    assert!(errors.contains(&rule), "{rule}: {:#?}", check.findings);
    assert_eq!(check.verdict, Verdict::Broken, "{rule}");
    assert_eq!(check.fargate, FargateAnswer::No, "{rule}");
}

#[track_caller]
pub(crate) fn assert_warning(check: &Check, rule: &str) {
    assert_eq!(
        rules(check, Severity::Error),
        [""; 0],
        "{rule}: {:#?}",
        check.findings
    );
    let warnings = rules(check, Severity::Warning);
    assert!(warnings.contains(&rule), "{rule}: {:#?}", check.findings);
}

/// Each finding says what it means and, if it is an error, what to do.
#[track_caller]
fn assert_complete(check: &Check) {
    for finding in &check.findings {
        assert!(finding.message.contains("; "), "{}", finding.message);
        let has_hint = finding.hint.is_some();
        assert!(
            has_hint || finding.severity != Severity::Error,
            "{finding:?}"
        );
    }
}

pub(crate) fn check(edits: &Edits<'_>) -> Check {
    let check = Fixture::new(edits).check("v1-soci");
    assert_complete(&check);
    check
}

#[test]
fn a_sound_image_has_no_error_and_no_warning() {
    let check = check(&Edits::default());
    let found: Vec<_> = [Severity::Error, Severity::Warning]
        .into_iter()
        .flat_map(|severity| rules(&check, severity))
        .collect();
    assert_eq!(found, [""; 0], "{:#?}", check.findings);
    assert_eq!(check.verdict, Verdict::Lazy);
    assert_eq!(check.fargate, FargateAnswer::Yes);
    let answer = "yes, the tag starts lazily on Fargate: 2 of 2 layers, 100 % of bytes lazy";
    assert_eq!(check.answer, answer);
    // A note: the image is small.
    assert_eq!(rules(&check, Severity::Note), ["small-image"]);
}

/// SOCI indexes that readers refuse or ignore.
const WRONG_SOCI_INDEXES: [Case; 19] = [
    ("soci-index-artifact-type", |index| {
        index["artifactType"] = "x".into();
    }),
    ("soci-index-bytes", |index| index["mine"] = 1.into()),
    ("soci-index-bytes", |index| {
        index
            .as_object_mut()
            .expect("an object")
            .shift_remove("mediaType");
    }),
    ("soci-index-bytes", |index| {
        index["layers"][0]["mine"] = 1.into();
    }),
    ("soci-index-version", |index| {
        index["config"]["mediaType"] = "application/x".into();
    }),
    ("soci-index-version", |index| {
        index["config"]["mediaType"] = SOCI_INDEX_V1.into();
    }),
    ("soci-index-config", |index| {
        index["config"]["digest"] = OTHER.into();
    }),
    ("soci-index-config", |index| {
        index["config"]["size"] = 3.into();
    }),
    ("soci-index-config-missing", |index| {
        index["config"]["digest"] = OTHER.into();
    }),
    ("soci-index-empty", |index| index["layers"] = json!([])),
    ("soci-index-empty", |index| index["layers"] = Value::Null),
    ("soci-index-version-2-subject", |index| {
        index["subject"] = json!({"mediaType": "a", "digest": OTHER, "size": 1});
    }),
    ("soci-index-unknown-entry", |index| {
        index["layers"][0]["mediaType"] = "a/b".into();
    }),
    ("ztoc-layer-digest", |index| {
        index["layers"][0]["annotations"][LAYER_DIGEST] = "".into();
    }),
    ("ztoc-of-other-image", |index| {
        index["layers"][0]["annotations"][LAYER_DIGEST] = OTHER.into();
    }),
    ("ztoc-layer-media-type", |index| {
        index["layers"][0]["annotations"][LAYER_MEDIA_TYPE] = "application/x".into();
    }),
    ("disable-xattrs-malformed", |index| {
        index["layers"][0]["annotations"][DISABLE_XATTRS] = "yes".into();
    }),
    ("ztoc-missing", |index| {
        index["layers"][0]["digest"] = OTHER.into();
    }),
    ("ztoc-damaged", |index| {
        index["layers"][0]["size"] = 12.into();
    }),
];

/// Users' pain 2 and the rules of the snapshotter.
#[test]
fn a_wrong_soci_index_is_found() {
    for (rule, edit) in WRONG_SOCI_INDEXES {
        let soci_index = Some(edit);
        assert_error(
            &check(&Edits {
                soci_index,
                ..Edits::default()
            }),
            rule,
        );
    }
}

/// The reader writes an index again, and compares the digests.
#[test]
fn bytes_that_go_does_not_write_are_found() {
    let cases: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.push(b'\n'),
        |bytes| bytes.insert(1, b' '),
        |bytes| {
            let text = String::from_utf8(bytes.clone()).expect("UTF-8");
            *bytes = text.replace("\"tool\"", "\"<tool>\"").into_bytes();
        },
        |bytes| {
            // Annotations in another order.
            let mut index: Value = serde_json::from_slice(bytes).expect("JSON");
            let annotations = index["annotations"].as_object_mut().expect("annotations");
            annotations.insert("a".to_owned(), "b".into());
            *bytes = index.to_string().into_bytes();
        },
    ];
    for edit in cases {
        let edit: &dyn Fn(&mut Vec<u8>) = &edit;
        let soci_index_bytes = Some(edit);
        let check = check(&Edits {
            soci_index_bytes,
            ..Edits::default()
        });
        assert_error(&check, "soci-index-bytes");
    }
}

#[test]
fn oddities_of_a_soci_index_are_warnings() {
    let cases: [Case; 4] = [
        ("soci-index-order", |index| {
            index["layers"].as_array_mut().expect("layers").reverse();
        }),
        ("ztoc-span-size", |index| {
            index["layers"][0]["annotations"][SPAN_SIZE] = "4Mi".into();
        }),
        ("ztoc-other-span-size", |index| {
            index["layers"][0]["annotations"][SPAN_SIZE] = "12345".into();
        }),
        ("two-ztocs", |index| {
            let mut other = index["layers"][0].clone();
            other["digest"] = index["layers"][1]["digest"].clone();
            other["size"] = index["layers"][1]["size"].clone();
            index["layers"].as_array_mut().expect("layers").push(other);
        }),
    ];
    for (rule, edit) in cases {
        let soci_index = Some(edit);
        let check = check(&Edits {
            soci_index,
            ..Edits::default()
        });
        let warnings = rules(&check, Severity::Warning);
        assert!(warnings.contains(&rule), "{rule}: {:#?}", check.findings);
    }
    let soci_index: Option<fn(&mut Value)> = Some(|index| {
        index["annotations"][BUILD_TOOL_IDENTIFIER] = "".into();
    });
    let check = check(&Edits {
        soci_index,
        ..Edits::default()
    });
    assert!(rules(&check, Severity::Note).contains(&"build-tool-missing"));
}

/// Changes of the image manifest that break its link to the SOCI index.
const WRONG_MANIFESTS: [Case; 6] = [
    ("soci-index-not-named", |manifest| {
        let annotations = manifest["annotations"]
            .as_object_mut()
            .expect("annotations");
        annotations.remove(INDEX_DIGEST);
    }),
    ("index-digest-malformed", |manifest| {
        manifest["annotations"][INDEX_DIGEST] = "sha256:abc".into();
    }),
    ("soci-index-missing", |manifest| {
        manifest["annotations"][INDEX_DIGEST] = OTHER.into();
    }),
    ("soci-index-not-listed", |manifest| {
        manifest["annotations"][INDEX_DIGEST] = OTHER.into();
    }),
    ("not-oci-manifest", |manifest| {
        manifest["mediaType"] = DOCKER_MANIFEST.into();
    }),
    ("config-damaged", |manifest| {
        manifest["config"]["digest"] = OTHER.into();
    }),
];

/// Changes of the image index that break the link.
const WRONG_ROOTS: [Case; 9] = [
    ("soci-index-not-listed", |root| {
        root["manifests"].as_array_mut().expect("manifests").pop();
    }),
    ("soci-index-link", |root| {
        root["manifests"][1]["annotations"][IMAGE_MANIFEST_DIGEST] = OTHER.into();
    }),
    ("soci-index-orphan", |root| {
        root["manifests"][1]["annotations"][IMAGE_MANIFEST_DIGEST] = OTHER.into();
    }),
    ("soci-index-entry-type", |root| {
        root["manifests"][1]
            .as_object_mut()
            .expect("an entry")
            .remove("artifactType");
    }),
    ("soci-index-entry-type", |root| {
        root["manifests"][1]["artifactType"] = "a/b".into();
    }),
    ("soci-index-platform", |root| {
        root["manifests"][1]["platform"]["architecture"] = "arm64".into();
    }),
    ("soci-index-platform", |root| {
        root["manifests"][1]
            .as_object_mut()
            .expect("an entry")
            .remove("platform");
    }),
    ("soci-index-before-image", |root| {
        root["manifests"]
            .as_array_mut()
            .expect("manifests")
            .reverse();
    }),
    ("soci-index-damaged", |root| {
        root["manifests"][1]["size"] = 12.into();
    }),
];

/// The annotations between image manifest and SOCI index, in both directions.
#[test]
fn a_broken_link_between_image_and_soci_index_is_found() {
    for (rule, edit) in WRONG_MANIFESTS {
        // The entry has the type of the manifest, and the annotations of the original one.
        let root: Option<fn(&mut Value)> = (rule == "not-oci-manifest").then_some(|root| {
            root["manifests"][0]["mediaType"] = DOCKER_MANIFEST.into();
        });
        let manifest = Some(edit);
        assert_error(
            &check(&Edits {
                manifest,
                root,
                ..Edits::default()
            }),
            rule,
        );
    }
    for (rule, edit) in WRONG_ROOTS {
        let root = Some(edit);
        assert_error(
            &check(&Edits {
                root,
                ..Edits::default()
            }),
            rule,
        );
    }
}

#[test]
fn an_odd_link_between_image_and_soci_index_is_a_warning() {
    let root: Option<fn(&mut Value)> = Some(|root| {
        root["manifests"][0]["annotations"][INDEX_DIGEST] = OTHER.into();
    });
    assert_warning(
        &check(&Edits {
            root,
            ..Edits::default()
        }),
        "entry-annotation",
    );
    let manifest: Option<fn(&mut Value)> = Some(|manifest| {
        manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
    });
    assert_warning(
        &check(&Edits {
            manifest,
            ..Edits::default()
        }),
        "docker-config",
    );
    let root: Option<fn(&mut Value)> = Some(|root| {
        let attestation = json!({"mediaType": OCI_MANIFEST, "digest": OTHER, "size": 1,
            "annotations": {"vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": OTHER.replace("e3b0", "0000")}});
        root["manifests"]
            .as_array_mut()
            .expect("manifests")
            .push(attestation);
    });
    assert_warning(
        &check(&Edits {
            root,
            ..Edits::default()
        }),
        "attestation-detached",
    );
}

/// Whatever the SOCI index names must exist, and be what its descriptor says.
#[test]
fn a_missing_or_damaged_blob_is_found() {
    let sound = Fixture::new(&Edits::default());
    for (digest, rule) in [
        (sound.soci_index.digest, "soci-index-missing"),
        (sound.ztocs[1].digest, "ztoc-missing"),
        (sound.layers[1].digest, "layer-missing"),
    ] {
        let mut fixture = Fixture::new(&Edits::default());
        fixture.image.remove_blob(digest);
        assert_error(&fixture.check("v1-soci"), rule);
    }
    let mut fixture = Fixture::new(&Edits::default());
    fixture.image.remove_blob(sound.manifest.digest);
    let check = fixture.check("v1-soci");
    assert!(rules(&check, Severity::Warning).contains(&"manifest-missing"));
}

/// A ztoc that no reader decodes, or that is for another layer (users' pain 10).
#[test]
fn a_wrong_ztoc_is_found() {
    let cases: [BytesCase; 3] = [
        ("ztoc-malformed", Vec::clear),
        ("ztoc-malformed", |bytes| bytes.truncate(100)),
        ("ztoc-layer-size", |bytes| {
            let case = soci_testkit::golden::layer("mt-oci-tar");
            *bytes = case.ztoc.expect("a ztoc").to_vec();
        }),
    ];
    for (rule, edit) in cases {
        let edit: &dyn Fn(&mut Vec<u8>) = &edit;
        let ztoc = Some(edit);
        assert_error(
            &check(&Edits {
                ztoc,
                ..Edits::default()
            }),
            rule,
        );
    }
}
