//! Images whose digests are SHA-512.

use soci_testkit::{
    document::DocumentBuilder, faulty::Faulty, image, process::Sandbox, store::assert_sound,
};

use crate::{app, pushed, soci_tool, two_layers};

/// C17: an image with SHA-512 digests is copied to another repository, a layout and an archive, and
/// its SOCI index of version 1 is listed under the tag that the specification names.
#[test]
fn pushes_an_image_with_sha512_digests() {
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("image");
    image::write_layout(&layout, &two_layers());
    let digest = image::rehash_layout(&layout);
    let source = Faulty::start();
    source.push(&layout, "app:v1");
    let line = DocumentBuilder::new(&sandbox, &app(&source)).indexed(&source);
    let push = |to: &str| {
        let tool = soci_tool(&sandbox).stdin(line.clone());
        tool.args(["--to", to]).run().succeeds();
    };
    let registry = Faulty::setup().without_referrers().start();
    push(&format!("{}/other:lazy", registry.host()));
    assert!(registry.broken("other", "lazy").is_empty());
    assert!(registry.broken("other", &digest).is_empty());
    let fallback = format!("sha512-{}", &digest["sha512:".len()..][..64]);
    assert!(registry.tags("other").contains_key(&fallback));

    push("oci:copy:lazy");
    assert_sound(&sandbox.path().join("copy"));
    assert!(sandbox.path().join("copy/blobs/sha512").is_dir());

    // The second push finds everything in the archive.
    push("oci-archive:copy.tar:lazy");
    let tool = soci_tool(&sandbox).stdin(line.clone());
    let document = pushed(tool.args(["--to", "oci-archive:copy.tar:lazy"]).run());
    assert_eq!(document["push"]["uploaded"], 0, "{document}");
}
