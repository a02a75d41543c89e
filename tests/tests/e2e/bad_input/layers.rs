//! Damaged layers: no ztoc, no note, no rest of a file, and the message says which layer and why.

use std::{fs, path::PathBuf};

use serde_json::Value;
use soci_testkit::{
    image::{self, Image, Layer},
    process::{Finished, Sandbox},
    registry::Registry,
};

use crate::stages::{
    assert_sound, blob_file, files_below, layer, layers, noise, notes, one, planned, stage,
};

/// A layout with a plan over its one layer.
struct Planned {
    sandbox: Sandbox,
    line: Vec<u8>,
    layer: Value,
}

impl Planned {
    fn of(layer: Layer) -> Self {
        let sandbox = Sandbox::new();
        image::write_layout(
            &sandbox.path().join("image"),
            &[Image::new("linux/amd64").layer(layer)],
        );
        let line = planned(&sandbox, "oci:image");
        let document = one(vec![serde_json::from_slice(&line).expect("JSON")]);
        let layer = layers(&document)[0]["descriptor"].clone();
        Self {
            sandbox,
            line,
            layer,
        }
    }

    /// Returns the layer's file in the layout.
    fn file(&self) -> PathBuf {
        blob_file(&self.sandbox.path().join("image"), &self.layer["digest"])
    }

    /// Runs `soci-index`, which must refuse the layer, name it, and leave nothing behind.
    #[track_caller]
    fn is_refused(&self) -> Finished {
        let before = files_below(&self.sandbox.store());
        let ended = stage(&self.sandbox, "soci-index")
            .stdin(self.line.clone())
            .run()
            .ends_with(65);
        assert!(ended.stdout.is_empty(), "{}", ended.text());
        assert_eq!(notes(&self.sandbox), 0);
        assert_sound(&self.sandbox.store());
        assert_eq!(
            files_below(&self.sandbox.store()),
            before,
            "something was left in the store"
        );
        let digest = self.layer["digest"].as_str().expect("a digest");
        ended.says("soci-index: oci:image: ").says(digest)
    }
}

#[test]
fn another_layer_under_the_digest_is_named_with_both_digests() {
    let planned = Planned::of(Layer::plain(&[("app", &noise(1, 3000))]));
    // As long as the right one, sound in itself, and not it.
    let other = Planned::of(Layer::plain(&[("app", &noise(2, 3000))]));
    let bytes = fs::read(other.file()).unwrap();
    assert_eq!(Some(bytes.len() as u64), planned.layer["size"].as_u64());
    fs::write(planned.file(), &bytes).unwrap();
    planned.is_refused().says(&image::digest(&bytes));
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let planned = Planned::of(layer(1, 3000));
    let right = fs::read(planned.file()).unwrap();
    for at in [0, 5, right.len() / 2, right.len() - 5, right.len() - 1] {
        let mut bytes = right.clone();
        bytes[at] ^= 1;
        fs::write(planned.file(), &bytes).unwrap();
        planned.is_refused().says(&image::digest(&bytes));
    }
    fs::write(planned.file(), right).unwrap();
    stage(&planned.sandbox, "soci-index")
        .stdin(planned.line.clone())
        .run()
        .succeeds();
}

#[test]
fn a_truncated_layer_is_bad_data() {
    let planned = Planned::of(layer(1, 30_000));
    let right = fs::read(planned.file()).unwrap();
    for length in [0, 1, right.len() / 2, right.len() - 1] {
        fs::write(planned.file(), &right[..length]).unwrap();
        planned.is_refused();
    }
}

/// Damages the bytes of a layer.
type Change = fn(&mut Vec<u8>);

#[test]
fn a_layer_that_is_what_the_manifest_says_and_no_gzip_is_bad_data() {
    let gzip = |change: Change| {
        let sandbox = Sandbox::new();
        let folder = sandbox.path().join("image");
        image::write_layout(
            &folder,
            &[Image::new("linux/amd64").layer(layer(1, 30_000))],
        );
        let largest = files_below(&folder)
            .into_iter()
            .max_by_key(|file| fs::metadata(file).unwrap().len());
        let mut bytes = fs::read(largest.unwrap()).unwrap();
        change(&mut bytes);
        Layer::from_bytes(bytes)
    };
    let changes: [(&str, Change); 6] = [
        ("no gzip at all", |bytes| *bytes = noise(1, 5000)),
        ("nothing", Vec::clear),
        ("cut in the middle", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut in the trailer", |bytes| {
            bytes.truncate(bytes.len() - 4);
        }),
        ("a wrong checksum", |bytes| {
            let at = bytes.len() - 8;
            bytes[at] ^= 1;
        }),
        ("a damaged block", |bytes| bytes[10] = 0xff),
    ];
    for (what, change) in changes {
        let ended = Planned::of(gzip(change)).is_refused();
        assert!(
            ended.stderr.contains("the layer is damaged"),
            "{what}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_damaged_layer_does_not_keep_another_image_back() {
    let damaged = Planned::of(layer(1, 3000));
    fs::write(damaged.file(), b"").unwrap();
    let folder = damaged.sandbox.path().join("good");
    image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer(2, 3000))]);
    let good = planned(&damaged.sandbox, "oci:good");
    let lines = [damaged.line.as_slice(), good.as_slice()].concat();
    let ended = stage(&damaged.sandbox, "soci-index")
        .stdin(lines)
        .run()
        .ends_with(65);
    let document = one(ended.documents());
    assert_eq!(document["image"], "oci:good");
    assert_eq!(notes(&damaged.sandbox), 1);
    assert_sound(&damaged.sandbox.store());
}

#[test]
fn a_registry_that_serves_other_bytes_is_found_out() {
    let registry = Registry::distribution();
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer(1, 3000))]);
    registry.push(&folder, "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    let line = planned(&sandbox, &reference);
    let document = one(vec![serde_json::from_slice(&line).expect("JSON")]);
    let digest = layers(&document)[0]["descriptor"]["digest"]
        .as_str()
        .unwrap();
    let hex = digest.trim_start_matches("sha256:");
    let file = files_below(&registry.data());
    let file = file
        .iter()
        .find(|file| file.ends_with(format!("{hex}/data")))
        .expect("the blob of the registry");
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(file, &bytes).unwrap();
    for tool in [&["soci-index"][..], &["soci-pull", "--layers"]] {
        let run = stage(&sandbox, tool[0])
            .args(&tool[1..])
            .stdin(line.clone())
            .run();
        let ended = run.ends_with(65).says(digest).says(&image::digest(&bytes));
        assert!(ended.stdout.is_empty());
        assert_eq!(notes(&sandbox), 0);
        assert_sound(&sandbox.store());
        assert!(!blob_file(&sandbox.store(), &digest.into()).exists());
    }
}
