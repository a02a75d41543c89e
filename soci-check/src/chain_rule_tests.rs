//! An image whose manifests break a rule of the chain, from the tag to the SOCI indexes, is found
//! by that rule.

use serde_json::{Value, json};
use soci_document::{Severity, Verdict};
use soci_oci::Descriptor;
use soci_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use soci_oci::reference::Selector;
use soci_oci::soci::soci_index_v1;
use soci_transport::ReadImage as _;

use crate::fixture::{Edits, Fixture};
use crate::wrong_index_tests::{OTHER, assert_error, assert_warning, check, rules};

/// Media types of layers that are downloaded from elsewhere.
const FOREIGN: [&str; 2] = [
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// Returns what a tag of an image names, with its descriptor.
fn resolve(fixture: &Fixture, tag: &str) -> (Descriptor, Vec<u8>) {
    let selected = Selector::Name(tag.to_owned());
    fixture.image.resolve(&selected).expect("a tag")
}

/// Adds so many SOCI indexes of version 1 to the image `app:v1`, each by another tool.
fn add_version_1(fixture: &mut Fixture, count: usize) {
    let (original, _) = resolve(fixture, "v1");
    for number in 0..count {
        let tool = format!("tool {number}");
        let index = soci_index_v1(&fixture.ztocs, &original, &tool);
        fixture.image.add_blob(OCI_MANIFEST, &index.to_bytes());
    }
}

/// Readers take the first SOCI index of version 1 that the registry lists.
#[test]
fn several_soci_indexes_of_version_1_are_a_warning() {
    for count in [1, 2, 8, 9] {
        let mut fixture = Fixture::new(&Edits::default());
        add_version_1(&mut fixture, count);
        let check = fixture.check("v1");
        let (warnings, notes) = (
            rules(&check, Severity::Warning),
            rules(&check, Severity::Note),
        );
        assert_eq!(rules(&check, Severity::Error), [""; 0]);
        assert_eq!(warnings.contains(&"several-version-1"), count > 1);
        assert_eq!(
            notes.contains(&"version-1-unchecked"),
            count > 8,
            "{notes:?}"
        );
    }
}

/// An image manifest under a tag of its own, as for an image that was built upon a converted one
/// and inherited its annotations.
#[test]
fn a_soci_index_that_no_image_index_lists_is_a_warning() {
    let mut fixture = Fixture::new(&Edits::default());
    let manifest = fixture.image.read_manifest(&fixture.manifest);
    let manifest = manifest.expect("a manifest").expect("a manifest");
    fixture.image.add_tag("single", OCI_MANIFEST, &manifest);
    // It counts as converted, so that another tag is not recommended.
    let (_, root) = resolve(&fixture, "v1-soci");
    fixture.image.add_tag("single-soci", OCI_INDEX, &root);
    let check = fixture.check("single");
    assert_warning(&check, "soci-index-unlisted");
    assert_eq!(check.converted, None);
}

/// The layer is missing, but it is one that registries need not have.
#[test]
fn a_foreign_layer_is_a_note() {
    let edits: [fn(&mut Value); 2] = [
        |manifest| manifest["layers"][1]["mediaType"] = FOREIGN[0].into(),
        |manifest| manifest["layers"][1]["mediaType"] = FOREIGN[1].into(),
    ];
    for edit in edits {
        let mut fixture = Fixture::new(&Edits {
            manifest: Some(edit),
            ..Edits::default()
        });
        fixture.image.remove_blob(fixture.layers[1].digest);
        let check = fixture.check("v1-soci");
        assert!(
            rules(&check, Severity::Note).contains(&"foreign-layer"),
            "{:#?}",
            check.findings
        );
        assert!(!rules(&check, Severity::Error).contains(&"layer-missing"));
    }
}

/// What the registry serves under the digest of a manifest is something else.
#[test]
fn a_damaged_manifest_is_found() {
    for damaged in [&b"{}"[..], b"", b"{"] {
        let mut fixture = Fixture::new(&Edits::default());
        let manifest = fixture.manifest.clone();
        fixture.image.damage_blob(&manifest, damaged);
        let check = fixture.check("v1-soci");
        assert_error(&check, "manifest-damaged");
        let sizes = format!("{} bytes, expected {}", damaged.len(), manifest.size);
        assert!(check.answer.contains(&sizes), "{}", check.answer);
    }
}

/// Gives the image `app:v1` another configuration. Its converted image is removed.
fn replace_config(fixture: &mut Fixture, config: &Descriptor) {
    fixture.image.remove_blob(fixture.root.digest);
    let (_, manifest) = resolve(fixture, "v1");
    let mut manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    manifest["config"]["digest"] = config.digest.to_string().into();
    manifest["config"]["size"] = config.size.into();
    let manifest = manifest.to_string().into_bytes();
    fixture.image.add_tag("v1", OCI_MANIFEST, &manifest);
}

/// The configuration of an image without a SOCI index.
#[test]
fn a_configuration_that_is_missing_or_malformed_is_a_warning() {
    for content in [None, Some(b"[]".as_slice()), Some(b"")] {
        let mut fixture = Fixture::new(&Edits::default());
        let config = match content {
            Some(config) => fixture.image.add_blob(OCI_CONFIG, config),
            None => Descriptor::of(OCI_CONFIG, b"nothing has this content"),
        };
        replace_config(&mut fixture, &config);
        assert_warning(&fixture.check("v1"), "config-unusable");
    }
}

/// The configuration names no architecture, as that of an artifact does, but an operating system.
#[test]
fn an_image_without_an_architecture_is_checked() {
    for (config, manifests) in [(r#"{"os": "linux"}"#, 1), ("{}", 0)] {
        let mut fixture = Fixture::new(&Edits::default());
        let config = fixture.image.add_blob(OCI_CONFIG, config.as_bytes());
        replace_config(&mut fixture, &config);
        assert_eq!(fixture.check("v1").manifests.len(), manifests, "{config:?}");
    }
}

/// Its entry has no `artifactType`, so that only its manifest tells that it is an artifact.
#[test]
fn an_artifact_among_the_manifests_is_no_image() {
    let artifact = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.signature",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": OTHER, "size": 2},
        "layers": []});
    let mut fixture = Fixture::new(&Edits::default());
    let artifact = artifact.to_string().into_bytes();
    let artifact = fixture.image.add_blob(OCI_MANIFEST, &artifact);
    let (_, root) = resolve(&fixture, "v1-soci");
    let mut root: Value = serde_json::from_slice(&root).expect("JSON");
    let entries = root["manifests"].as_array_mut().expect("manifests");
    entries.push(serde_json::to_value(&artifact).expect("a descriptor"));
    let root = root.to_string().into_bytes();
    fixture.image.add_tag("with-artifact", OCI_INDEX, &root);
    let check = fixture.check("with-artifact");
    assert_eq!(rules(&check, Severity::Error), [""; 0]);
    assert_eq!(check.manifests.len(), 1, "{:#?}", check.manifests);
}

/// Builders list what is no image with the platform `unknown/unknown`. It need not exist.
#[test]
fn an_entry_of_an_unknown_platform_is_not_read() {
    let check = check(&Edits {
        root: Some(|root| {
            let entries = root["manifests"].as_array_mut().expect("manifests");
            let platform = json!({"os": "unknown", "architecture": "unknown"});
            entries.push(
                json!({"mediaType": OCI_MANIFEST, "digest": OTHER, "size": 1,
                "platform": platform}),
            );
        }),
        ..Edits::default()
    });
    assert!(
        !rules(&check, Severity::Warning).contains(&"manifest-missing"),
        "{:#?}",
        check.findings
    );
    assert_eq!(check.manifests.len(), 1);
}

/// A layer without a ztoc is pulled before the container starts.
#[test]
fn layers_without_a_ztoc_are_a_note() {
    let fixture = Fixture::new(&Edits {
        soci_index: Some(|index| drop(index["layers"].as_array_mut().expect("layers").pop())),
        ..Edits::default()
    });
    let check = fixture.check("v1-soci");
    assert_eq!(rules(&check, Severity::Error), [""; 0]);
    assert!(rules(&check, Severity::Note).contains(&"layers-not-covered"));
    assert_eq!((check.layers.lazy, check.layers.count), (1, 2));
}

/// A SOCI index has a tag of its own, if a tool copied it so.
#[test]
fn what_is_no_image_is_a_note() {
    let mut fixture = Fixture::new(&Edits::default());
    let index = fixture.image.read_manifest(&fixture.soci_index);
    let index = index.expect("a manifest").expect("a manifest");
    fixture.image.add_tag("index", OCI_MANIFEST, &index);
    let check = fixture.check("index");
    assert!(
        rules(&check, Severity::Note).contains(&"not-an-image"),
        "{:#?}",
        check.findings
    );
    assert_eq!(check.verdict, Verdict::NotLazy);
}
