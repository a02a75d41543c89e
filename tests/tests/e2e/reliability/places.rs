//! Layouts that are written to, and what is in them already.

use std::{
    fs::{self, File},
    process::Stdio,
};

use soci_testkit::{
    image::{self, Image},
    process::Sandbox,
};

use crate::stages::{assert_sound, blob_file, indexed, layer, layers, one, stage};

/// A sandbox with the layout `image`, and the line that `soci-push` reads.
fn with_index() -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer(1, 3000))]);
    let line = indexed(&sandbox, "oci:image");
    (sandbox, line)
}

#[test]
fn f4_what_is_damaged_where_it_is_pushed_to_is_written_anew() {
    let (sandbox, line) = with_index();
    let push = || {
        let tool = stage(&sandbox, "soci-push").args(["--to", "oci:copy:v1"]);
        one(tool.stdin(line.clone()).run().succeeds().documents())
    };
    let pushed = push();
    let copy = sandbox.path().join("copy");
    let layer = layers(&pushed)[0];
    for digest in [
        &layer["descriptor"]["digest"],
        &layer["ztoc"]["digest"],
        &pushed["manifests"][0]["index"]["v2"]["digest"],
        &pushed["converted"]["digest"],
    ] {
        let file = blob_file(&copy, digest);
        let right = fs::read(&file).unwrap();
        // As long as the right one, which is all that a look at the folder shows.
        let wrong: Vec<u8> = right.iter().map(|byte| byte ^ 1).collect();
        fs::remove_file(&file).unwrap();
        fs::write(&file, wrong).unwrap();
        let again = push();
        assert_eq!(fs::read(&file).unwrap(), right, "{digest}");
        assert_eq!(again["push"]["uploaded"], 1, "{digest}");
        assert_sound(&copy);
    }
    assert_eq!(push()["push"]["uploaded"], 0);
}

#[test]
fn h8_help_that_cannot_be_printed_is_an_error() {
    let sandbox = Sandbox::new();
    for name in ["soci-pull", "soci-plan", "soci-index", "soci-push"] {
        for option in ["--help", "--version"] {
            let mut command = sandbox.tool(name).arg(option).into_command();
            command
                .stdout(File::create("/dev/full").unwrap())
                .stderr(Stdio::null());
            assert_eq!(command.status().unwrap().code(), Some(74), "{name}");
        }
    }
}

#[test]
fn h8_words_that_nobody_hears_keep_nobody_from_the_work() {
    let (sandbox, line) = with_index();
    for name in ["soci-plan", "soci-index", "soci-push"] {
        let input = sandbox.write("input", &line);
        let mut command = stage(&sandbox, name).into_command();
        command
            .stdin(File::open(input).unwrap())
            .stdout(File::create(sandbox.path().join("output")).unwrap())
            .stderr(File::create("/dev/full").unwrap());
        assert_eq!(command.status().unwrap().code(), Some(0), "{name}");
        let output = fs::read(sandbox.path().join("output")).unwrap();
        assert_eq!(output.last(), Some(&b'\n'), "{name}");
    }
}
