//! A ztoc or prefetch list that breaks a rule for which no layer is read is found by that rule.

use serde_json::json;
use soci_document::{Check, Severity};
use soci_oci::manifest::Root;
use soci_oci::media_type::{OCI_MANIFEST, SOCI_PREFETCH};
use soci_oci::soci::{DISABLE_XATTRS, LAYER_DIGEST};
use soci_oci::{Descriptor, Digest};
use soci_testkit::golden;
use soci_ztoc::{Xattr, Ztoc};

use crate::fixture::{Edits, Fixture};
use crate::wrong_index_tests::{assert_error, check, rules};

/// Checks an image whose first ztoc was changed.
fn check_ztoc(change: impl Fn(&mut Ztoc)) -> Check {
    let edit = |bytes: &mut Vec<u8>| change_ztoc(bytes, &change);
    check(&Edits {
        ztoc: Some(&edit),
        ..Edits::default()
    })
}

/// Changes a ztoc in encoded form.
fn change_ztoc(bytes: &mut Vec<u8>, change: impl Fn(&mut Ztoc)) {
    let mut ztoc = Ztoc::decode(bytes).expect("a golden ztoc");
    change(&mut ztoc);
    *bytes = ztoc.encode().expect("a small ztoc");
}

/// Changes the entries of a SOCI index, whose bytes stay those that a reader writes.
fn change_entries(bytes: &mut Vec<u8>, change: impl Fn(&mut Vec<Descriptor>)) {
    let Root::Manifest(mut index) = Root::parse(bytes, OCI_MANIFEST).expect("a manifest") else {
        panic!("an index");
    };
    change(index.layers.as_mut().expect("entries"));
    *bytes = index.to_bytes();
}

/// Asserts that a warning names a rule, and that nothing is an error.
#[track_caller]
fn assert_warns(check: &Check, rule: &str) {
    let errors = rules(check, Severity::Error);
    assert_eq!(errors, [""; 0], "{rule}: {:#?}", check.findings);
    let warnings = rules(check, Severity::Warning);
    assert!(warnings.contains(&rule), "{rule}: {:#?}", check.findings);
}

/// A change of a ztoc that leaves it as it is makes no finding, so that those below are due to
/// their changes.
#[test]
fn a_ztoc_that_is_encoded_again_has_no_finding() {
    let check = check_ztoc(|_| ());
    assert_eq!(rules(&check, Severity::Error), [""; 0]);
    assert_eq!(rules(&check, Severity::Warning), [""; 0]);
}

#[test]
fn a_ztoc_of_another_version_is_a_warning() {
    let check = check_ztoc(|ztoc| ztoc.version = "0.8".to_owned());
    assert_warns(&check, "ztoc-version");
}

/// The ztoc of a gzip layer, for a layer that is a plain tar.
#[test]
fn a_ztoc_for_another_compression_is_found() {
    let other = |bytes: &mut Vec<u8>| {
        let case = golden::layer("tar-symlinks");
        *bytes = case.ztoc.expect("a ztoc").to_vec();
    };
    let check = check(&Edits {
        ztoc: Some(&other),
        ..Edits::default()
    });
    assert_error(&check, "ztoc-compression");
}

/// The reference cannot write a ztoc of more than 1 GiB. It is not downloaded.
#[test]
fn a_ztoc_that_is_too_large_is_found() {
    let check = check(&Edits {
        soci_index: Some(|index| index["layers"][0]["size"] = ((1_u64 << 30) + 1).into()),
        ..Edits::default()
    });
    assert_error(&check, "ztoc-too-large");
}

/// There is no room for the tar header of the first entry.
#[test]
fn a_ztoc_that_readers_refuse_is_found() {
    let check = check_ztoc(|ztoc| ztoc.toc[0].uncompressed_offset = 0);
    assert_error(&check, "ztoc-refused");
}

/// The reader compares the modification time with the tar header when the file is first read.
#[test]
fn a_ztoc_with_a_file_that_readers_cannot_read_is_found() {
    let check = check_ztoc(|ztoc| ztoc.toc[0].mod_time.clear());
    assert_error(&check, "ztoc-unreadable-file");
    let beyond = |ztoc: &mut Ztoc| {
        let last = ztoc.toc.last_mut().expect("an entry");
        last.uncompressed_size = 1 << 40;
    };
    assert_error(&check_ztoc(beyond), "ztoc-unreadable-file");
}

/// The annotation tells readers not to look for extended attributes, and a file has one.
#[test]
fn disabled_xattrs_of_a_layer_that_has_some_are_found() {
    let annotate = |bytes: &mut Vec<u8>| {
        change_entries(bytes, |entries| {
            let annotations = &mut entries[0].annotations;
            annotations.insert(DISABLE_XATTRS.to_owned(), "true".to_owned());
        });
    };
    let check_annotated = |change: fn(&mut Ztoc)| {
        let ztoc = |bytes: &mut Vec<u8>| change_ztoc(bytes, change);
        check(&Edits {
            ztoc: Some(&ztoc),
            soci_index_bytes: Some(&annotate),
            ..Edits::default()
        })
    };
    let sound = check_annotated(|_| ());
    let errors = rules(&sound, Severity::Error);
    assert_eq!(errors, [""; 0], "{:#?}", sound.findings);
    let has_xattr = check_annotated(|ztoc| {
        ztoc.toc[0].xattrs.push(Xattr {
            key: b"SCHILY.xattr.security.capability".to_vec(),
            value: b"x".to_vec(),
        });
    });
    assert_error(&has_xattr, "xattrs-disabled");
}

/// Returns an image whose SOCI index lists a prefetch list of its first layer. The list is missing.
fn with_prefetch(content: &str) -> Fixture {
    let sound = Fixture::new(&Edits::default());
    let layer = sound.layers[0].digest;
    let entry = list_entry(layer, content);
    let add = |bytes: &mut Vec<u8>| {
        change_entries(bytes, |entries| entries.push(entry.clone()));
    };
    Fixture::new(&Edits {
        soci_index_bytes: Some(&add),
        ..Edits::default()
    })
}

/// Checks such an image, with the list.
fn check_prefetch(content: &str) -> Check {
    let mut fixture = with_prefetch(content);
    fixture.image.add_blob(SOCI_PREFETCH, content.as_bytes());
    fixture.check("v1-soci")
}

/// Returns the entry of a prefetch list in a SOCI index.
fn list_entry(layer: Digest, content: &str) -> Descriptor {
    let mut entry = Descriptor::of(SOCI_PREFETCH, content.as_bytes());
    let layer = layer.to_string();
    entry.annotations.insert(LAYER_DIGEST.to_owned(), layer);
    entry
}

#[test]
fn a_sound_prefetch_list_has_no_finding() {
    let content = json!({"version": "1.0", "prefetch_spans": [{"start_span": 0, "end_span": 0}]});
    let check = check_prefetch(&content.to_string());
    assert_eq!(
        rules(&check, Severity::Error),
        [""; 0],
        "{:#?}",
        check.findings
    );
    assert_eq!(rules(&check, Severity::Warning), [""; 0]);
}

#[test]
fn a_malformed_prefetch_list_is_a_warning() {
    for content in [
        "",
        "[1]",
        r#"{"version":"1.0"}"#,
        r#"{"version":"1.0","prefetch_spans":[]}"#,
        r#"{"version":"2.0","prefetch_spans":[{"start_span":0,"end_span":0}]}"#,
    ] {
        assert_warns(&check_prefetch(content), "prefetch-malformed");
    }
}

#[test]
fn a_prefetch_list_with_spans_that_the_ztoc_lacks_is_a_warning() {
    for (start, end) in [(0, 1_000_000), (1, 0), (0, u32::MAX)] {
        let spans = json!([{"start_span": start, "end_span": end}]);
        let content = json!({"version": "1.0", "prefetch_spans": spans}).to_string();
        assert_warns(&check_prefetch(&content), "prefetch-spans");
    }
}

/// A larger list is not downloaded.
#[test]
fn a_prefetch_list_of_more_than_4_mib_is_a_warning() {
    let list = r#"{"version":"1.0","prefetch_spans":[{"start_span":0,"end_span":0}]}"#;
    let largest = list.to_owned() + &" ".repeat((4 << 20) - list.len());
    let check = check_prefetch(&largest);
    assert_eq!(rules(&check, Severity::Warning), [""; 0]);
    let check = check_prefetch(&format!("{largest} "));
    assert_warns(&check, "prefetch-malformed");
    let message = &check.findings[0].message;
    assert!(
        message.contains("4194305 bytes, expected at most 4194304"),
        "{message}"
    );
}

/// What the registry has under the digest of a list is something else.
#[test]
fn a_damaged_prefetch_list_is_found() {
    let content = r#"{"version":"1.0","prefetch_spans":[{"start_span":0,"end_span":0}]}"#;
    let mut fixture = with_prefetch(content);
    let list = list_entry(fixture.layers[0].digest, content);
    fixture.image.damage_blob(&list, b"{}");
    assert_error(&fixture.check("v1-soci"), "ztoc-damaged");
}

/// One missing blob disables the SOCI index, and a prefetch list is a blob of it.
#[test]
fn a_missing_prefetch_list_is_found() {
    let content = r#"{"version":"1.0","prefetch_spans":[{"start_span":0,"end_span":0}]}"#;
    assert_error(&with_prefetch(content).check("v1-soci"), "ztoc-missing");
}
