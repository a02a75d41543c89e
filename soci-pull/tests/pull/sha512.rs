//! Images whose digests are SHA-512.

use soci_testkit::{
    faulty::Faulty,
    image::{self, Image, random_layer},
    process::Sandbox,
    store::assert_sound,
};

use crate::{assert_fails, soci_tool};

/// Returns a sandbox with the layout `image`, a registry with the same image, and its digest.
fn image_with_sha512() -> (Sandbox, Faulty, String) {
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("image");
    let images = ["linux/amd64", "linux/arm64"]
        .map(|platform| Image::new(platform).layer(random_layer(1, 3000)));
    image::write_layout(&layout, &images);
    let digest = image::rehash_layout(&layout);
    let registry = Faulty::start();
    registry.push(&layout, "app:v1");
    (sandbox, registry, digest)
}

/// C17: an image with SHA-512 digests is read by tag, by digest and from a layout, with its layers.
#[test]
fn reads_an_image_by_sha512_digests() {
    let (sandbox, registry, digest) = image_with_sha512();
    let host = registry.host();
    for reference in [
        format!("{host}/app:v1"),
        format!("{host}/app@{digest}"),
        "oci:image".to_owned(),
        format!("oci:image@{digest}"),
    ] {
        let tool = soci_tool(&sandbox).args(["--layers", &reference]);
        let finished = tool.run().succeeds();
        let document = &finished.documents()[0];
        assert_eq!(document["root"]["digest"], digest, "{reference}");
        let stored = sandbox.store().join("blobs/sha512");
        let stored = std::fs::read_dir(stored).expect("blobs").count();
        assert_eq!(
            stored, 6,
            "a list, two manifests, two configurations, a layer"
        );
        assert_sound(&sandbox.store());
        std::fs::remove_dir_all(sandbox.store()).expect("the store");
    }
}

/// C17: content with another SHA-512 digest than its own is damaged.
#[test]
fn detects_damage_by_sha512_digests() {
    let (sandbox, registry, digest) = image_with_sha512();
    let reference = format!("{}/app@{digest}", registry.host());
    let digests = registry.digests();
    assert!(digests.iter().all(|digest| digest.starts_with("sha512:")));
    // A damaged configuration is left out, since it ends only the plan of its platform.
    let is_necessary = |digest: &&String| {
        let layer = registry.blob(digest).filter(|blob| blob.len() > 1000);
        layer.is_some() || registry.manifest("app", digest).is_some()
    };
    for digest in digests.iter().filter(is_necessary) {
        let flip = |bytes: &mut Vec<u8>| {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        };
        registry.corrupt(digest, flip);
        let tool = soci_tool(&sandbox).args(["--layers", &reference]);
        assert_fails(&sandbox, tool.run(), 65, &[digest]);
        registry.corrupt(digest, flip);
        std::fs::remove_dir_all(sandbox.store()).expect("the store");
    }
}
