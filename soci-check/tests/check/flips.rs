//! Flipped bits of what a registry has, found by the tool as a user runs it.

use std::collections::BTreeSet;

use serde_json::Value;
use soci_oci::soci::{soci_index_v1, ztoc_descriptor};
use soci_oci::{Descriptor, Digest, Manifest};
use soci_testkit::faulty::Faulty;
use soci_ztoc::Ztoc;
use soci_ztoc::proof::{Severity, prove};

use crate::{Golden, rules, soci_tool, text};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How many bits of each blob are flipped.
const SAMPLES: usize = 8;

/// Returns bits at pseudo-random positions of `bytes` bytes.
fn random_bits(bytes: usize, count: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = move || {
        // Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % (bytes * 8)
    };
    std::iter::repeat_with(next).take(count)
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// A disk or a server that flips a bit changes the digest. The tag still names the image index.
#[test]
fn flips_of_what_is_stored_are_found() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    let check = || {
        let reference = format!("{}/app:v1-soci", registry.host());
        soci_tool(&golden.sandbox).arg(reference).run()
    };
    let sound = check().succeeds().documents().remove(0);
    let manifest = text(&sound["manifests"][0]["descriptor"]["digest"]);
    let index = text(&sound["check"]["manifests"][0]["indexes"][0]["digest"]);
    let config = text(&sound["manifests"][0]["config"]["digest"]);
    let layer = text(&sound["manifests"][0]["layers"][0]["descriptor"]["digest"]);
    let ztoc = golden.ztoc();
    for digest in [manifest, index, config, layer, &ztoc] {
        let stored = registry.blob(digest).map(|bytes| bytes.len());
        let manifest = || {
            registry
                .manifest("app", digest)
                .map(|found| found.bytes().len())
        };
        let length = stored.or_else(manifest).expect("a blob");
        for bit in random_bits(length, SAMPLES) {
            registry.corrupt(digest, |bytes| flip(bytes, bit));
            let finished = check();
            assert_eq!(
                finished.code(),
                1,
                "bit {bit} of {digest}: {}",
                finished.stderr
            );
            registry.corrupt(digest, |bytes| flip(bytes, bit));
        }
    }
    check().succeeds();
}

/// Who writes a wrong ztoc gives it the right digest. The tool then finds what the library proves.
#[test]
fn flips_before_the_digest_of_a_ztoc_is_computed_are_found() {
    let golden = Golden::new();
    let image = Faulty::start();
    golden.push_version_1(&image);
    let original = image.manifest("app", "v1").expect("the image");
    let manifest: Manifest = serde_json::from_slice(original.bytes()).expect("JSON");
    let original = Descriptor::of(OCI_MANIFEST, original.bytes());
    let layer = &manifest.layers()[0];
    let bytes = image.blob(&layer.digest.to_string()).expect("the layer");
    let sound = soci_ztoc::build(&bytes, soci_ztoc::Compression::Gzip, 4096, "tool");
    let sound = sound.expect("a layer").encode().expect("a ztoc");
    let mut found_any = 0;
    for bit in random_bits(sound.len(), 4 * SAMPLES) {
        let mut ztoc = sound.clone();
        flip(&mut ztoc, bit);
        let registry = Faulty::start();
        registry.push(&golden.folder.join("layout"), "app:v1");
        let entry = ztoc_descriptor(layer, Digest::of(&ztoc), ztoc.len() as u64, 4096);
        registry.put_blob("app", ztoc.clone());
        registry.put_blob("app", b"{}".to_vec());
        let index = soci_index_v1(&[entry], &original, "tool");
        registry.put_manifest("app", OCI_MANIFEST, index.to_bytes());
        let tool = soci_tool(&golden.sandbox).arg(format!("{}/app:v1", registry.host()));
        let finished = tool.run();
        let document = finished.documents().remove(0);
        let expected = harmful_rules(&ztoc, &bytes);
        found_any += usize::from(!expected.is_empty());
        assert_rules(&document, &expected, bit);
        let is_error = document["check"]["verdict"] == "broken";
        assert_eq!(finished.code(), i32::from(is_error), "bit {bit}");
    }
    assert!(found_any > 0);
}

/// Returns the rules of the errors and warnings that the library finds in a ztoc.
fn harmful_rules(ztoc: &[u8], layer: &[u8]) -> BTreeSet<&'static str> {
    let Ok(ztoc) = Ztoc::decode(ztoc) else {
        return BTreeSet::from(["ztoc-malformed"]);
    };
    let mut rules = BTreeSet::new();
    let proof = prove(&ztoc, layer, |finding| {
        if finding.severity() > Severity::Note {
            rules.insert(finding.rule());
        }
    });
    proof.expect("a decoded ztoc");
    rules
}

/// Asserts that a document names all of these rules.
#[track_caller]
fn assert_rules(document: &Value, expected: &BTreeSet<&str>, bit: usize) {
    let named: BTreeSet<&str> = rules(document).into_iter().map(|(_, rule)| rule).collect();
    assert!(
        expected.is_subset(&named),
        "bit {bit}: {expected:?} in {named:?}"
    );
}
