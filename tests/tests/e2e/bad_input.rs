//! What is wrong with the input, by exit status and message, and that nothing half-done is left behind.

mod documents;
mod layers;

use std::net::TcpListener;

use soci_testkit::{
    image::{self, Image},
    process::{Finished, Sandbox},
    registry::Registry,
};

use crate::stages::{assert_sound, files_below, layer, planned, stage};

/// Runs `soci-pull` on one reference, which must fail, and returns what it said.
#[track_caller]
fn pull_fails(sandbox: &Sandbox, reference: &str, code: i32) -> Finished {
    let ended = stage(sandbox, "soci-pull")
        .arg(reference)
        .run()
        .ends_with(code);
    assert!(ended.stdout.is_empty(), "{}", ended.text());
    let prefix = format!("soci-pull: {reference}: ");
    assert_sound(&sandbox.store());
    ended.says(&prefix)
}

/// A sandbox with the layout `image`, for linux/arm64 and windows/amd64.
fn with_image() -> Sandbox {
    let sandbox = Sandbox::new();
    let images = [
        Image::new("linux/arm64").layer(layer(1, 3000)),
        Image::new("windows/amd64").layer(layer(2, 3000)),
    ];
    image::write_layout(&sandbox.path().join("image"), &images);
    sandbox
}

#[test]
fn references_that_do_not_parse_are_errors_of_usage() {
    let sandbox = Sandbox::new();
    for reference in [
        "UPPER/case:v1",
        "a//b",
        "a@sha256:00",
        "http://registry.example/a",
        "oci:",
        "a:b:c",
    ] {
        pull_fails(&sandbox, reference, 2).says("expected [registry/]repository[:tag][@digest]");
    }
    assert!(files_below(&sandbox.store().join("blobs")).is_empty());
}

#[test]
fn what_is_not_there_is_not_found() {
    let registry = Registry::distribution();
    let sandbox = with_image();
    registry.push(&sandbox.path().join("image"), "app:v1");
    let host = registry.host();
    pull_fails(&sandbox, &format!("{host}/app:v2"), 80)
        .says("v2")
        .says("not found");
    let ended = pull_fails(&sandbox, &format!("{host}/nothing:v1"), 80);
    ended.says("nothing").says("not found");
    let digest = image::digest(b"absent");
    pull_fails(&sandbox, &format!("{host}/app@{digest}"), 80).says(&digest);
    pull_fails(&sandbox, "oci:image:v2", 80)
        .says("v2")
        .says("latest");
    pull_fails(&sandbox, "oci:nowhere", 80).says("nowhere");
    pull_fails(&sandbox, "oci-archive:nowhere.tar", 80).says("nowhere.tar");
}

#[test]
fn a_platform_that_the_image_has_not_is_named_with_those_that_it_has() {
    let sandbox = with_image();
    let pulled = stage(&sandbox, "soci-pull")
        .arg("oci:image")
        .run()
        .succeeds()
        .stdout;
    let plan = |arguments: &[&str]| {
        stage(&sandbox, "soci-plan")
            .args(arguments)
            .stdin(pulled.clone())
            .run()
    };
    for arguments in [
        &[][..],
        &["--platform", "linux/amd64"],
        &["--platform", "linux/arm64,linux/amd64"],
    ] {
        let ended = plan(arguments).ends_with(81).says("soci-plan: oci:image: ");
        let ended = ended.says("no manifest for platform linux/amd64");
        let ended = ended
            .says("linux/arm64")
            .says("windows/amd64")
            .says("--platform");
        assert!(ended.stdout.is_empty());
    }
    plan(&["--platform", "linux/arm64/v8"]).succeeds();
    plan(&["--platform", "linux"]).ends_with(2).says("linux");
}

#[test]
fn a_registry_that_is_down_is_unavailable() {
    // A port that nobody listens on, since its owner is gone.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let sandbox = Sandbox::new();
    pull_fails(&sandbox, &format!("{host}/app:v1"), 69)
        .says(&host)
        .says("6 tries");
}

#[test]
fn a_registry_that_goes_down_leaves_the_index_unpushed() {
    let registry = Registry::distribution();
    let sandbox = Sandbox::new();
    image::write_layout(
        &sandbox.path().join("image"),
        &[Image::new("linux/amd64").layer(layer(1, 3000))],
    );
    registry.push(&sandbox.path().join("image"), "app:v1");
    let plan = planned(&sandbox, &format!("{}/app:v1", registry.host()));
    drop(registry);
    let ended = stage(&sandbox, "soci-index")
        .stdin(plan)
        .run()
        .ends_with(69);
    assert!(ended.stdout.is_empty());
    assert_eq!(crate::stages::notes(&sandbox), 0);
    assert_sound(&sandbox.store());
}

#[test]
fn unknown_options_and_bad_values_are_errors_of_usage() {
    let sandbox = Sandbox::new();
    for tool in ["soci-pull", "soci-plan", "soci-index", "soci-push"] {
        let ended = sandbox
            .tool(tool)
            .arg("--no-such-option")
            .run()
            .ends_with(2);
        assert!(ended.says("--no-such-option").stdout.is_empty());
        let ended = sandbox
            .tool(tool)
            .args(["--log-format", "xml"])
            .run()
            .ends_with(2);
        assert!(ended.says("json").says("text").stdout.is_empty());
        // What comes by the environment is held to the same.
        sandbox
            .tool(tool)
            .env("SOCI_LOG_FORMAT", "xml")
            .run()
            .ends_with(2)
            .says("xml");
    }
    sandbox
        .tool("soci-index")
        .args(["--jobs", "0"])
        .run()
        .ends_with(2)
        .says("--jobs");
    sandbox
        .tool("soci-push")
        .args(["--existing-index", "x"])
        .run()
        .ends_with(2)
        .says("skip");
    sandbox
        .tool("soci-push")
        .args(["--max-concurrent-uploads", "0"])
        .run()
        .ends_with(2);
    assert!(
        !sandbox.store().exists(),
        "an error of usage makes no store"
    );
}

#[test]
fn bad_sizes_are_answered_with_the_units() {
    let sandbox = Sandbox::new();
    for size in [
        "10mib",
        "ten",
        "1.5MiB",
        "-1",
        "9223372036854775808",
        "8EiB",
        "",
        "10 MiB",
    ] {
        for option in ["--min-layer-size", "--span-size"] {
            let ended = sandbox
                .tool("soci-plan")
                .arg(format!("{option}={size}"))
                .run()
                .ends_with(2);
            ended
                .says(option)
                .says("B, kB, MB, GB, TB, KiB, MiB, GiB, TiB");
        }
        let ended = sandbox
            .tool("soci-plan")
            .env("SOCI_MIN_LAYER_SIZE", size)
            .run();
        ended.ends_with(2).says("MiB");
    }
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let sandbox = with_image();
    // Below a file no folder can be made, whoever asks.
    sandbox.write("file", "");
    let store = sandbox.path().join("file/store");
    for tool in ["soci-pull", "soci-index", "soci-push"] {
        let ended = stage(&sandbox, tool)
            .arg("--store")
            .arg(&store)
            .stdin("{}")
            .run();
        let ended = ended
            .ends_with(73)
            .says("cannot open the store")
            .says("file/store");
        assert!(ended.says("--store").stdout.is_empty());
    }
    let ended = stage(&sandbox, "soci-pull")
        .env_remove("SOCI_STORE")
        .env_remove("HOME")
        .arg("oci:image")
        .run();
    ended.ends_with(73).says("SOCI_STORE");
}
