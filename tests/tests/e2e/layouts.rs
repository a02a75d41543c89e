//! The whole pipeline over OCI layouts and archives, without a network.

use std::{fs, path::Path};

use serde_json::{Value, json};
use soci_testkit::{
    document::tag_names,
    image::{self, Image, Layer},
    process::{Sandbox, Tool},
};

use crate::read_back::{BlobSource as _, Layout, array, assert_pushed, skopeo};
use crate::stages::{Stages, assert_sound, layer};

fn images() -> [Image; 2] {
    let base = layer(1, 20_000);
    [
        Image::new("linux/amd64").layer(base.clone()).attested(),
        Image::new("linux/arm64/v8")
            .layer(base)
            .layer(Layer::plain(&[("app", b"arm64")])),
    ]
}

/// Sets proxies that do not exist, so that a request to another machine fails.
fn without_network(tool: Tool) -> Tool {
    let nowhere = "http://127.0.0.1:9";
    tool.env("HTTPS_PROXY", nowhere).env("HTTP_PROXY", nowhere)
}

/// Writes the images to the layout `image` in the sandbox and returns the root's descriptor.
fn write(sandbox: &Sandbox) -> Value {
    image::write_layout(&sandbox.path().join("image"), &images())
}

/// Makes the archive `image.tar` of the layout `image`, as `tar` does.
fn archive(sandbox: &Sandbox) {
    write(sandbox);
    let tar = sandbox
        .program("tar")
        .args(["-cf", "image.tar", "-C", "image", "."]);
    tar.run().succeeds();
}

fn unpacked(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    let folder = sandbox.path().join(format!("{name}.unpacked"));
    fs::create_dir(&folder).expect("a new folder");
    let tar = sandbox
        .program("tar")
        .args(["-xf", name, "-C"])
        .arg(&folder);
    tar.run().succeeds();
    folder
}

#[track_caller]
fn assert_layout(folder: &Path, document: &Value, name: &str) {
    let layout = Layout(folder);
    let named = layout.named(name);
    assert_eq!(named["digest"], document["converted"]["digest"]);
    assert_pushed(&layout, document, Some(&layout.json(&named)));
    assert_sound(folder);
}

#[test]
fn pushes_to_the_source_layout() {
    let sandbox = Sandbox::new();
    let root = write(&sandbox);
    let stages = Stages::of(&sandbox, &["oci:image:latest"]).plan(&["--all-platforms"]);
    let document = stages.run_with(without_network).succeeds_for_one();
    let folder = sandbox.path().join("image");
    assert_layout(&folder, &document, "latest-soci");
    assert_eq!(
        Layout(&folder).named("latest")["digest"],
        root["digest"],
        "the original stays"
    );
    assert_eq!(document["push"]["repository"], "oci:image");
    assert_eq!(tag_names(&document), json!(["oci:image:latest-soci"]));
    let source = format!("oci:{}:latest-soci", folder.display());
    let target = format!("oci:{}", sandbox.path().join("copy").display());
    skopeo(&sandbox, &["copy", "--all", &source, &target]).succeeds();
    let again = Stages::of(&sandbox, &["oci:image:latest"]).plan(&["--all-platforms"]);
    assert_eq!(again.run().succeeds_for_one()["push"]["uploaded"], 0);
}

#[test]
fn pushes_from_one_layout_to_another() {
    let sandbox = Sandbox::new();
    write(&sandbox);
    let before = crate::stages::files_below(&sandbox.path().join("image")).len();
    let stages = Stages::of(&sandbox, &["oci:image"]).push(&["--to", "oci:out:fast"]);
    let document = stages.run_with(without_network).succeeds_for_one();
    assert_layout(&sandbox.path().join("out"), &document, "fast");
    let after = crate::stages::files_below(&sandbox.path().join("image")).len();
    assert_eq!(before, after, "the source is only read");
}

#[test]
fn pushes_from_one_archive_to_another() {
    let sandbox = Sandbox::new();
    archive(&sandbox);
    let stages = Stages::of(&sandbox, &["oci-archive:image.tar:latest"]);
    let document = stages
        .push(&["--to", "oci-archive:out.tar"])
        .run_with(without_network);
    let document = document.succeeds_for_one();
    assert_layout(&unpacked(&sandbox, "out.tar"), &document, "latest-soci");
}

#[test]
fn pushes_to_the_source_archive() {
    let sandbox = Sandbox::new();
    archive(&sandbox);
    let stages = Stages::of(&sandbox, &["oci-archive:image.tar:latest"]);
    let document = stages.run_with(without_network).succeeds_for_one();
    let folder = unpacked(&sandbox, "image.tar");
    assert_layout(&folder, &document, "latest-soci");
    assert_eq!(
        Layout(&folder).named("latest")["digest"],
        document["root"]["digest"]
    );
}

/// Writes an image with a plain and a gzip layer to the archives that the tools of others make of
/// it, and returns their references.
fn archives_of_other_tools(sandbox: &Sandbox) -> [&'static str; 4] {
    let plain = Layer::plain(&[("app", &[b'x'; 4096])]);
    let image = Image::new("linux/amd64")
        .layer(layer(1, 20_000))
        .layer(plain);
    image::write_layout(&sandbox.path().join("image"), &[image]);
    for to in ["docker-archive:docker.tar:app:v1", "oci-archive:oci.tar:v1"] {
        skopeo(sandbox, &["copy", "oci:image:latest", to]).succeeds();
    }
    for name in ["docker.tar", "oci.tar"] {
        let gzip = sandbox.program("gzip").args(["-k", name]);
        gzip.run().succeeds();
    }
    [
        "docker-archive:docker.tar",
        "docker-archive:docker.tar.gz:v1",
        "oci-archive:oci.tar:v1",
        "oci-archive:oci.tar.gz:v1",
    ]
}

#[test]
fn pushes_from_the_archives_of_other_tools() {
    let sandbox = Sandbox::new();
    for (number, reference) in (0..).zip(archives_of_other_tools(&sandbox)) {
        let out = format!("out-{number}");
        let stages = Stages::of(&sandbox, &[reference]).push(&["--to", &format!("oci:{out}")]);
        let document = stages.run_with(without_network).succeeds_for_one();
        assert_layout(&sandbox.path().join(out), &document, "v1-soci");
    }
}

#[test]
fn a_layout_and_an_archive_give_the_same_bytes() {
    let sandbox = Sandbox::new();
    archive(&sandbox);
    let documents = ["oci:image", "oci-archive:image.tar"].map(|reference| {
        let stages = Stages::of(&sandbox, &[reference]).push(&["--to", "oci:out:x"]);
        // Otherwise, the second run takes the ztocs from the store.
        let run = stages.run_with(|tool| without_network(tool).env("SOCI_FORCE", "true"));
        run.succeeds_for_one()
    });
    assert_eq!(documents[0]["converted"], documents[1]["converted"]);
    assert_eq!(documents[0]["manifests"], documents[1]["manifests"]);
}

#[test]
fn an_index_json_of_several_platforms_is_one_image() {
    let sandbox = Sandbox::new();
    let root = write(&sandbox);
    let folder = sandbox.path().join("image");
    // `index.json` of such a layout lists what the image index would list.
    let index = Layout(&folder).json(&root);
    let manifests = array(&index["manifests"]);
    let flat = json!({"schemaVersion": 2, "manifests": manifests}).to_string();
    fs::write(folder.join("index.json"), &flat).unwrap();
    let stages = Stages::of(&sandbox, &["oci:image"]).plan(&["--all-platforms"]);
    let document = stages
        .push(&["--to", "oci:out:fast"])
        .run_with(without_network)
        .succeeds_for_one();
    assert_eq!(document["root"]["digest"], image::digest(flat.as_bytes()));
    assert_eq!(array(&document["manifests"]).len(), manifests.len());
    assert_layout(&sandbox.path().join("out"), &document, "fast");
}
