//! The memory for a large ztoc.

use soci_oci::soci::{soci_index_v1, ztoc_descriptor};
use soci_oci::{Descriptor, Digest};
use soci_testkit::archive::{gzip, header};
use soci_testkit::faulty::Faulty;
use soci_testkit::image::{self, Image, Layer};
use soci_testkit::process::Sandbox;
use soci_ztoc::{Compression, build};

use crate::soci_tool;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The memory in bytes that the tool may have: the ztoc once, its entries packed, and what the tool
/// needs for any image.
const MEMORY: u64 = 160 << 20;

/// How many times the layer has 4096 files.
const MEMBERS: usize = 100;

/// A layer of 400,000 files that are alike.
fn layer() -> Vec<u8> {
    let files: Vec<u8> = (0..4096)
        .flat_map(|number| header(&format!("usr/share/file-{number}"), b'0', 0))
        .collect();
    let mut layer = gzip(&files).repeat(MEMBERS);
    layer.extend(gzip(&[0; 1024]));
    layer
}

/// A ztoc of more than a third of the memory is read back from a registry and proved.
#[test]
fn a_large_ztoc_is_in_memory_once() {
    let sandbox = Sandbox::new();
    let bytes = layer();
    let ztoc = build(&bytes, Compression::Gzip, 4 << 20, "tool").expect("a sound layer");
    let ztoc = ztoc.encode().expect("a ztoc");
    assert!(ztoc.len() as u64 > MEMORY / 3, "{}", ztoc.len());
    let folder = sandbox.path().join("image");
    let image = Image::new("linux/amd64").layer(Layer::from_bytes(bytes));
    image::write_layout(&folder, &[image]);
    let registry = Faulty::start();
    registry.push(&folder, "app:v1");
    let manifest = registry.manifest("app", "v1").expect("the image");
    let original = Descriptor::of(OCI_MANIFEST, manifest.bytes());
    let content: soci_oci::Manifest = serde_json::from_slice(manifest.bytes()).expect("JSON");
    let size = ztoc.len() as u64;
    let entry = ztoc_descriptor(&content.layers()[0], Digest::of(&ztoc), size, 4 << 20);
    registry.put_blob("app", ztoc);
    registry.put_blob("app", b"{}".to_vec());
    let index = soci_index_v1(&[entry], &original, "tool");
    registry.put_manifest("app", OCI_MANIFEST, index.to_bytes());
    let reference = format!("{}/app:v1", registry.host());
    let finished = soci_tool(&sandbox).arg(reference).memory(MEMORY).run();
    let documents = finished.succeeds().documents();
    assert_eq!(documents[0]["check"]["proved"]["ztocs"], 1);
}
