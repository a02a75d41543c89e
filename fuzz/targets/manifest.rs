//! Manifests, image indexes, and their conversion.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use soci_fuzz::Input;
use soci_layout::{Selected, select_image};
use soci_oci::convert::{Indexed, Source, convert, is_image};
use soci_oci::manifest::{Root, is_other_manifest};
use soci_oci::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use soci_oci::reference::Selector;
use soci_oci::soci::{soci_index_v1, soci_index_v2, ztoc_descriptor};
use soci_oci::{Descriptor, Digest, Index, Manifest, Platform};

const TYPES: [&str; 6] = [
    "",
    OCI_MANIFEST,
    OCI_INDEX,
    DOCKER_MANIFEST,
    DOCKER_LIST,
    "text/plain",
];

// The input is a list of manifests and indexes, separated by NUL. The last one is the root.
fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (media_type, choice) = (TYPES[usize::from(input.byte()) % TYPES.len()], input.byte());
    let mut manifests = BTreeMap::new();
    let mut indexes = BTreeMap::new();
    let mut last = None;
    while !input.is_empty() {
        let bytes = input.until(0);
        let _other = is_other_manifest(bytes, media_type);
        select(bytes);
        let digest = Digest::of(bytes);
        match Root::parse(bytes, media_type) {
            Ok(Root::Manifest(manifest)) => {
                check_manifest(&manifest);
                manifests.insert(digest, (*manifest).clone());
                last = Some((Root::Manifest(manifest), bytes));
            }
            Ok(Root::Index(index)) => {
                check_index(&index);
                indexes.insert(digest, (*index).clone());
                last = Some((Root::Index(index), bytes));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    if let Some((content, bytes)) = last {
        convert_image(content, bytes, &manifests, &indexes, choice);
    }
});

fn check_manifest(manifest: &Manifest) {
    let bytes = manifest.to_bytes();
    let again: Manifest = serde_json::from_slice(&bytes).expect("a manifest that was just written");
    assert_eq!(again.to_bytes(), bytes, "writing changes the manifest");
    let _image = is_image(manifest);
    for layer in manifest.layers() {
        let ztoc = ztoc_descriptor(layer, Digest::of(b"ztoc"), 4, 1 << 22);
        let blobs = [ztoc];
        let subject = layer.reduced();
        drop(soci_index_v1(&blobs, &subject, "fuzz").to_bytes());
        drop(soci_index_v2(&blobs, "fuzz").to_bytes());
    }
}

fn check_index(index: &Index) {
    let bytes = index.to_bytes();
    let again: Index = serde_json::from_slice(&bytes).expect("an index that was just written");
    assert_eq!(again.to_bytes(), bytes, "writing changes the index");
    let wanted: Platform = "linux/arm64".parse().expect("a platform");
    for platform in index
        .manifests
        .iter()
        .filter_map(|entry| entry.platform.as_ref())
    {
        let normal = platform.normalized();
        assert_eq!(normal.normalized(), normal);
        let _matches = wanted.matches(platform);
        drop(platform.to_string());
    }
}

/// Selects images, as from the `index.json` of a layout.
fn select(bytes: &[u8]) {
    let selectors = [
        Selector::Any,
        Selector::Name("latest".to_owned()),
        Selector::Digest(Digest::of(b"")),
    ];
    for selector in selectors {
        match select_image(bytes, &selector, Path::new("layout"), |entry| {
            entry.size % 2 == 0
        }) {
            Ok(Selected::Index(part)) => {
                let _parsed: Index = serde_json::from_slice(&part).expect("a part of an index");
            }
            Ok(Selected::Manifest(_)) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn convert_image(
    content: Root,
    bytes: &[u8],
    manifests: &BTreeMap<Digest, Manifest>,
    indexes: &BTreeMap<Digest, Index>,
    choice: u8,
) {
    let root = Descriptor::of(OCI_INDEX, bytes);
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    let indexed: Vec<Indexed> = manifests
        .keys()
        .enumerate()
        .filter(|(number, _)| choice & (1 << (number % 8)) != 0)
        .map(|(_, digest)| Indexed {
            manifest: *digest,
            platform: platform.clone(),
            soci_index: Descriptor::of(OCI_MANIFEST, b"soci"),
        })
        .collect();
    let missing = BTreeSet::from([Digest::of(b"missing")]);
    let source = Source {
        root: &root,
        content,
        platform: Some(platform),
        manifests,
        indexes,
        missing: &missing,
    };
    let converted = convert(source, &indexed);
    assert_eq!(
        converted.root,
        Descriptor {
            platform: converted.root.platform.clone(),
            ..Descriptor::of(OCI_INDEX, &converted.bytes)
        }
    );
    let _index: Index = serde_json::from_slice(&converted.bytes).expect("an image index");
    for (descriptor, bytes) in &converted.manifests {
        assert_eq!(descriptor.digest, Digest::of(bytes));
        assert_eq!(descriptor.size, bytes.len() as u64);
    }
}
