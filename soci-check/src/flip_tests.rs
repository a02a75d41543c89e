//! Every single bit of a SOCI index and of a converted manifest is flipped, with and without the
//! digests that name it being put right.

use soci_document::{Check, Severity};
use soci_oci::Descriptor;

use crate::fixture::{Edits, Fixture};

/// Returns whether something is wrong or odd.
fn is_found(check: &Check) -> bool {
    let mut findings = check.findings.iter();
    findings.any(|finding| finding.severity != Severity::Note)
}

/// Returns the copies of some bytes with one bit flipped.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

fn bytes_of(fixture: &Fixture, descriptor: &Descriptor) -> Vec<u8> {
    use soci_transport::ReadImage as _;
    let bytes = fixture.image.read_manifest(descriptor).expect("a blob");
    bytes.expect("a blob")
}

#[track_caller]
fn assert_stored_flips_are_found(part: &Descriptor) {
    let mut fixture = Fixture::new(&Edits::default());
    let bytes = bytes_of(&fixture, part);
    for (bit, flipped) in flips(&bytes) {
        fixture.image.damage_blob(part, &flipped);
        let check = fixture.check("v1-soci");
        assert!(is_found(&check), "bit {bit} of {}", part.digest);
    }
}

/// A bit that a disk or a server flips changes the digest.
#[test]
fn flips_of_stored_bytes_are_found() {
    let sound = Fixture::new(&Edits::default());
    assert_stored_flips_are_found(&sound.soci_index);
    assert_stored_flips_are_found(&sound.manifest);
}

/// A client that writes a wrong manifest gives it the right digest. Only a flip in the annotation
/// of the build tool is harmless: no reader uses it.
#[test]
fn flips_before_the_digest_is_computed_are_found() {
    let sound = Fixture::new(&Edits::default());
    let soci_index = bytes_of(&sound, &sound.soci_index);
    let text = String::from_utf8(soci_index.clone()).expect("UTF-8");
    let key = text
        .rfind("com.amazon.soci.build-tool")
        .expect("the annotation");
    let value = text.rfind("\"}}").expect("its end");
    for (bit, flipped) in flips(&soci_index) {
        let edit = |bytes: &mut Vec<u8>| bytes.clone_from(&flipped);
        let fixture = Fixture::new(&Edits {
            soci_index_bytes: Some(&edit),
            ..Edits::default()
        });
        let is_harmless = (key..value).contains(&(bit / 8));
        let check = fixture.check("v1-soci");
        assert!(is_found(&check) || is_harmless, "bit {bit}: {text}");
    }
}

/// As above, for the converted image manifest: each flip makes it differ from its original.
#[test]
fn flips_of_a_manifest_before_its_digest_is_computed_are_found() {
    let sound = Fixture::new(&Edits::default());
    let manifest = bytes_of(&sound, &sound.manifest);
    for (bit, flipped) in flips(&manifest) {
        let edit = |bytes: &mut Vec<u8>| bytes.clone_from(&flipped);
        let fixture = Fixture::new(&Edits {
            manifest_bytes: Some(&edit),
            ..Edits::default()
        });
        assert!(is_found(&fixture.check("v1-soci")), "bit {bit}");
    }
}
