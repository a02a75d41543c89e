//! Checks the images and the process runner of the test kit.

use std::{fs, os::unix::fs::PermissionsExt as _};

use soci_testkit::{
    image::{self, Format, Image, Layer},
    process::{self, Sandbox},
};

#[test]
fn writes_images_with_docker_media_types() {
    let sandbox = Sandbox::new();
    let layers = Layer::gzip(&[("app", b"content")]);
    let root = image::write_layout(
        sandbox.path(),
        &[Image::new("linux/amd64")
            .layer(layers)
            .format(Format::Docker)],
    );
    assert_eq!(
        root["mediaType"],
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    let blob = root["digest"].as_str().unwrap().replace(':', "/");
    let manifest = fs::read_to_string(sandbox.path().join("blobs").join(blob)).unwrap();
    assert!(
        manifest.contains("application/vnd.docker.image.rootfs.diff.tar.gzip"),
        "{manifest}"
    );
}

#[test]
fn limits_the_memory_of_every_tool() {
    const FREE: u64 = 64 << 20;
    let sandbox = Sandbox::new();
    let probe = sandbox.write("soci-probe", "#!/bin/sh\nulimit -d\n");
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o755)).unwrap();
    let tool = || sandbox.program(&probe);
    assert_eq!(tool().run().text(), "262144\n");
    assert_eq!(tool().memory(FREE).run().text(), "65536\n");
    let both = process::pipeline([tool(), sandbox.program("cat")]);
    assert_eq!(both[1].text(), "262144\n");
    // Other programs have no limit, and what is beyond the limit cannot be used.
    let python = || {
        sandbox
            .program("python3")
            .args(["-c", "bytearray(1 << 27)"])
    };
    assert_eq!(python().run().code(), 0);
    assert_ne!(python().memory(FREE).run().code(), 0);
}

#[test]
fn returns_the_status_of_each_stage_of_a_pipeline() {
    let sandbox = Sandbox::new();
    let shell = |script| sandbox.program("bash").args(["-c", script]);
    let ended = process::pipeline([
        shell("cat; echo one >&2; exit 3").stdin("{\"a\": 1}\n"),
        shell("cat; kill -TERM $$"),
        shell("cat; test \"$HOME\" = \"$PWD/home\""),
    ]);
    assert_eq!(
        ended
            .iter()
            .map(process::Finished::code)
            .collect::<Vec<_>>(),
        [3, 143, 0]
    );
    assert_eq!(ended[0].stderr, "one\n");
    assert_eq!(ended[2].documents(), [serde_json::json!({"a": 1})]);
}
