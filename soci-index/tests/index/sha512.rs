//! Layers whose digests are SHA-512.

use std::fs;

use soci_testkit::{
    image::{self, Image, random_layer},
    process::Sandbox,
    store::blob_file,
};

use crate::{only_document, planned, soci_tool, ztoc_of};

/// C17: a layer has the same ztoc with a digest of either algorithm, and a wrong SHA-512 digest is
/// detected.
#[test]
fn indexes_a_layer_with_a_sha512_digest() {
    let index = |algorithm: &str, is_damaged: bool| {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let image = Image::new("linux/amd64").layer(random_layer(1, 3000));
        image::write_layout(&layout, &[image]);
        if algorithm == "sha512" {
            image::rehash_layout(&layout);
        }
        let line = planned(&sandbox, layout.as_path(), "oci:image");
        let document: serde_json::Value = serde_json::from_slice(&line).expect("a document");
        let layer = &document["manifests"][0]["layers"][0]["descriptor"]["digest"];
        assert!(
            layer
                .as_str()
                .is_some_and(|digest| digest.starts_with(algorithm))
        );
        if is_damaged {
            let file = blob_file(&layout, layer);
            let mut bytes = fs::read(&file).expect("the layer");
            bytes[20] ^= 1;
            fs::write(&file, bytes).expect("the layer");
        }
        (soci_tool(&sandbox).stdin(line).run(), layer.clone())
    };
    let (finished, layer) = index("sha512", false);
    let document = only_document(&finished);
    let ztoc = &document["manifests"][0]["layers"][0]["ztoc"];
    let annotation = &ztoc["annotations"]["com.amazon.soci.image-layer-digest"];
    assert_eq!(*annotation, layer);
    let (same, _) = index("sha256", false);
    assert_eq!(ztoc_of(&document), ztoc_of(&only_document(&same)));
    let (damaged, layer) = index("sha512", true);
    damaged
        .ends_with(65)
        .says(layer.as_str().expect("a digest"));
}
