//! The archives of `docker save`, `crane pull` and `skopeo copy docker-archive:`.

use serde_json::{Value, json};
use soci_testkit::{
    archive::{DockerImage, Member, docker_members, gzip, layout_members, tar},
    image::{self, Image, Layer, random_layer},
    process::{Finished, Sandbox},
    store::assert_sound,
};

use crate::{assert_fails, soci_tool};

/// The path of a layer in the archives of `crane`.
fn crane_path(hex: &str) -> String {
    format!("{hex}.tar.gz")
}

/// The path of a layer in the archives of older versions of Docker.
fn docker_path(hex: &str) -> String {
    format!("{hex}/layer.tar")
}

/// Returns a sandbox with the layout `image` of these layers, and the descriptor of its manifest.
fn layout(layers: impl IntoIterator<Item = Layer>) -> (Sandbox, Value) {
    let sandbox = Sandbox::new();
    let image = Image::new("linux/arm64").layers(layers);
    let root = image::write_layout(&sandbox.path().join("image"), &[image]);
    (sandbox, root)
}

/// Pulls an image of the archive `image.tar` with its layers.
fn pull(sandbox: &Sandbox, selector: &str) -> Finished {
    let reference = format!("docker-archive:image.tar{selector}");
    soci_tool(sandbox).args(["--layers", &reference]).run()
}

/// Returns the document of an image that is pulled with its layers.
#[track_caller]
fn pulled(sandbox: &Sandbox, selector: &str) -> Value {
    let finished = pull(sandbox, selector).succeeds();
    assert_sound(&sandbox.store());
    finished.documents().remove(0)
}

/// Returns the descriptors of the layers in a document.
fn layers(document: &Value) -> Vec<&Value> {
    let layers = document["manifests"][0]["layers"].as_array();
    let layers = layers.expect("layers").iter();
    layers.map(|layer| &layer["descriptor"]).collect()
}

#[test]
fn keeps_the_digests_of_compressed_layers() {
    let (sandbox, root) = layout([random_layer(1, 20_000), random_layer(2, 3000)]);
    let folder = sandbox.path().join("image");
    let image = DockerImage::of(&folder, &root, &["app:v1"], crane_path);
    sandbox.write("image.tar", tar(&docker_members(&[image])));
    let original = soci_tool(&sandbox).arg("oci:image").run().succeeds();
    let original = original.documents().remove(0);
    let finished = pull(&sandbox, "").succeeds();
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    let document = finished.documents().remove(0);
    assert_eq!(layers(&document), layers(&original));
    let platform = json!({"os": "linux", "architecture": "arm64"});
    assert_eq!(document["manifests"][0]["platform"], platform);
    // The tag is that of the image's name.
    let annotations = &document["root"]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "v1");
    // The manifest that is made is the same in each run, and can be named by its digest.
    let digest = document["root"]["digest"].as_str().expect("a digest");
    assert_eq!(
        pulled(&sandbox, &format!("@{digest}"))["root"]["digest"],
        digest
    );
}

#[test]
fn takes_plain_layers_as_they_are_and_says_so() {
    let plain = Layer::plain(&[("app", b"content")]);
    let (sandbox, root) = layout([random_layer(1, 3000), plain]);
    let folder = sandbox.path().join("image");
    let image = DockerImage::of(&folder, &root, &["app:v1"], docker_path);
    let archive = tar(&docker_members(&[image]));
    // Nix writes such archives with gzip around them.
    for archive in [gzip(&archive), archive] {
        sandbox.write("image.tar", archive);
        let finished = pull(&sandbox, "").succeeds();
        let finished = finished.says("1 of 2 layers").says("`docker push`");
        let document = finished.documents().remove(0);
        let media_types = layers(&document)
            .into_iter()
            .map(|layer| &layer["mediaType"]);
        let media_types: Vec<&Value> = media_types.collect();
        let tar = "application/vnd.oci.image.layer.v1.tar";
        assert_eq!(media_types, [&json!(format!("{tar}+gzip")), &json!(tar)]);
        assert_sound(&sandbox.store());
    }
}

#[test]
fn follows_the_links_of_docker_save() {
    let plain = Layer::plain(&[("app", b"content")]);
    let (sandbox, root) = layout([plain.clone(), plain]);
    let folder = sandbox.path().join("image");
    let mut image = DockerImage::of(&folder, &root, &["app:v1"], docker_path);
    // The second layer is a link to the first, as older versions of Docker write it.
    let first = image.members[1].name.clone();
    image.entry["Layers"][1] = json!("second/layer.tar");
    image.members.truncate(2);
    image
        .members
        .push(Member::symlink("second/layer.tar", format!("../{first}")));
    sandbox.write("image.tar", tar(&docker_members(&[image.clone()])));
    assert_eq!(layers(&pulled(&sandbox, "")).len(), 2);
    for target in ["../../outside", "/etc/passwd", "../nowhere"] {
        image.members.pop();
        image
            .members
            .push(Member::symlink("second/layer.tar", target));
        sandbox.write("image.tar", tar(&docker_members(&[image.clone()])));
        let says = ["`second/layer.tar` in `image.tar` is a link to", target];
        assert_fails(&sandbox, pull(&sandbox, ""), 65, &says);
    }
}

/// Newer versions of Docker write a layout and `manifest.json` into one archive.
#[test]
fn reads_a_new_archive_as_a_layout_and_as_one_of_docker() {
    let (sandbox, root) = layout([random_layer(1, 3000)]);
    let folder = sandbox.path().join("image");
    let blob_path = |hex: &str| format!("blobs/sha256/{hex}");
    let image = DockerImage::of(&folder, &root, &["app:v1"], blob_path);
    let members = [layout_members(&folder), docker_members(&[image])].concat();
    sandbox.write("image.tar", tar(&members));
    let tool = soci_tool(&sandbox).arg("oci-archive:image.tar:latest");
    let as_layout = tool.run().succeeds().documents().remove(0);
    assert_eq!(layers(&pulled(&sandbox, ":v1")), layers(&as_layout));
}

#[test]
fn selects_one_of_several_images() {
    let (sandbox, root) = layout([random_layer(1, 3000)]);
    let folder = sandbox.path().join("image");
    let other = Image::new("linux/amd64").layer(random_layer(2, 3000));
    let other_root = image::write_layout(&sandbox.path().join("other"), &[other]);
    let names = ["app:v1", "registry.example:5000/app:v2"];
    let one = DockerImage::of(&folder, &root, &names, crane_path);
    let two = DockerImage::of(
        &sandbox.path().join("other"),
        &other_root,
        &["app:v3"],
        crane_path,
    );
    sandbox.write("image.tar", tar(&docker_members(&[one, two])));
    let architecture = |selector: &str| {
        let document = pulled(&sandbox, selector);
        document["manifests"][0]["platform"]["architecture"].clone()
    };
    for (selector, expected) in [
        (":v1", "arm64"),
        (":v2", "arm64"),
        (":v3", "amd64"),
        (":app:v3", "amd64"),
        (":docker.io/library/app:v1", "arm64"),
        (":registry.example:5000/app:v2", "arm64"),
    ] {
        assert_eq!(architecture(selector), expected, "{selector}");
    }
    for (selector, says) in [("", "no single image"), (":v4", "no image named `v4`")] {
        let says = [says, "`app:v1`", "`app:v3`"];
        assert_fails(&sandbox, pull(&sandbox, selector), 80, &says);
    }
}

#[test]
fn names_what_is_wrong_with_an_archive() {
    let (sandbox, root) = layout([random_layer(1, 3000)]);
    let folder = sandbox.path().join("image");
    let image = DockerImage::of(&folder, &root, &["app:v1"], crane_path);
    let entry = &image.entry;
    let entry_with = |field: &str, value: Value| {
        let mut entry = entry.clone();
        entry[field] = value;
        json!([entry])
    };
    let cases = [
        (json!({}), "`manifest.json` is malformed"),
        (json!([{"Layers": []}]), "`Config`"),
        (
            entry_with("Config", json!("../../etc/passwd")),
            "which is outside",
        ),
        (entry_with("Config", json!("/absent")), "`/absent`"),
        (
            entry_with("Config", entry["Layers"][0].clone()),
            "is malformed",
        ),
        (
            entry_with("Layers", json!(["absent/layer.tar"])),
            "`absent/layer.tar`",
        ),
        (entry_with("Layers", json!([])), "lists 0 layers"),
        (
            entry_with("Layers", json!(vec!["x"; 30_000])),
            "30000 layers",
        ),
        (json!(vec![entry; 1001]), "1001 images"),
    ];
    for (list, says) in cases {
        let list = Member::file("manifest.json", list.to_string());
        let archive = [image.members.clone(), vec![list]].concat();
        sandbox.write("image.tar", tar(&archive));
        assert_fails(&sandbox, pull(&sandbox, ""), 65, &["image.tar", says]);
    }
    let large = Member::file("manifest.json", vec![b' '; 5 << 20]);
    sandbox.write("image.tar", gzip(&tar(&[large])));
    assert_fails(&sandbox, pull(&sandbox, ""), 65, &["longer than 4 MiB"]);
    let members = layout_members(&folder);
    sandbox.write("image.tar", tar(&members));
    assert_fails(&sandbox, pull(&sandbox, ""), 65, &["`oci-archive:FILE`"]);
}

/// A layer that is not the one of its configuration is found when it is read.
#[test]
fn detects_a_plain_layer_that_is_not_the_one_of_the_configuration() {
    let plain = Layer::plain(&[("app", b"content")]);
    let (sandbox, root) = layout([plain]);
    let folder = sandbox.path().join("image");
    let mut image = DockerImage::of(&folder, &root, &["app:v1"], docker_path);
    let other = tar(&[Member::file("app", "contenT")]);
    let name = image.members[1].name.clone();
    image.members[1] = Member::file(name, other);
    sandbox.write("image.tar", tar(&docker_members(&[image])));
    pull(&sandbox, "").ends_with(65).says("image.tar");
}
