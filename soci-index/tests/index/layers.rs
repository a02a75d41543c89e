//! Damaged layers: no ztoc and no file is left behind, and the error names the layer and the
//! reason.

use std::{fs, path::PathBuf};

use serde_json::Value;
use soci_testkit::{
    faulty::Faulty,
    image::{self, Image, Layer, noise, random_layer},
    process::{Finished, Sandbox},
    store::{assert_sound, blob_file, cached_ztocs, files_below},
};

use crate::{app, only_document, planned, soci_tool};

/// A layout with an image of one layer, and a plan for it.
struct Planned {
    sandbox: Sandbox,
    line: Vec<u8>,
    /// The layer's descriptor.
    layer: Value,
}

impl Planned {
    fn of(layer: Layer) -> Self {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        image::write_layout(&layout, &[Image::new("linux/amd64").layer(layer)]);
        let line = planned(&sandbox, layout.as_path(), "oci:image");
        let document: Value = serde_json::from_slice(&line).expect("a document");
        let layer = document["manifests"][0]["layers"][0]["descriptor"].clone();
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

    /// Runs `soci-index`, which must reject the layer, name it, and leave nothing behind.
    #[track_caller]
    fn assert_rejected(&self) -> Finished {
        let before = files_below(&self.sandbox.store());
        let finished = soci_tool(&self.sandbox).stdin(self.line.clone()).run();
        let finished = finished.ends_with(65);
        finished.writes_only_its_failure();
        assert_eq!(cached_ztocs(&self.sandbox), 0);
        assert_sound(&self.sandbox.store());
        assert_eq!(files_below(&self.sandbox.store()), before);
        let digest = self.layer["digest"].as_str().expect("a digest");
        finished.says("soci-index: error: oci:image: ").says(digest)
    }
}

#[test]
fn names_both_digests_of_another_layer() {
    let planned = Planned::of(Layer::plain(&[("app", &noise(1, 3000))]));
    // Another layer of the same size, which is intact itself.
    let other = Planned::of(Layer::plain(&[("app", &noise(2, 3000))]));
    let bytes = fs::read(other.file()).expect("a layer");
    assert_eq!(Some(bytes.len() as u64), planned.layer["size"].as_u64());
    fs::write(planned.file(), &bytes).expect("a writable layout");
    planned.assert_rejected().says(&image::digest(&bytes));
}

#[test]
fn detects_a_flipped_bit_anywhere() {
    let planned = Planned::of(random_layer(1, 3000));
    let original = fs::read(planned.file()).expect("a layer");
    let length = original.len();
    for at in [0, 5, length / 2, length - 5, length - 1] {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        fs::write(planned.file(), &bytes).expect("a writable layout");
        planned.assert_rejected().says(&image::digest(&bytes));
    }
    fs::write(planned.file(), original).expect("a writable layout");
    let tool = soci_tool(&planned.sandbox).stdin(planned.line.clone());
    tool.run().succeeds();
}

#[test]
fn rejects_a_truncated_layer() {
    let planned = Planned::of(random_layer(1, 30_000));
    let original = fs::read(planned.file()).expect("a layer");
    for length in [0, 1, original.len() / 2, original.len() - 1] {
        fs::write(planned.file(), &original[..length]).expect("a writable layout");
        planned.assert_rejected();
    }
}

#[test]
fn indexes_the_next_image_after_a_damaged_layer() {
    let damaged = Planned::of(random_layer(1, 3000));
    fs::write(damaged.file(), b"").expect("a writable layout");
    let layout = damaged.sandbox.path().join("good");
    let image = Image::new("linux/amd64").layer(random_layer(2, 3000));
    image::write_layout(&layout, &[image]);
    let good = planned(&damaged.sandbox, layout.as_path(), "oci:good");
    let lines = [damaged.line.as_slice(), good.as_slice()].concat();
    let finished = soci_tool(&damaged.sandbox).stdin(lines).run();
    let documents = finished.ends_with(65).done();
    assert_eq!(documents.len(), 1, "{documents:?}");
    assert_eq!(documents[0]["image"], "oci:good");
    assert_eq!(cached_ztocs(&damaged.sandbox), 1);
    assert_sound(&damaged.sandbox.store());
}

/// The digest of the ztoc depends on the layer only, wherever the layer is read from.
#[test]
fn makes_the_same_ztoc_from_a_layout_and_a_registry() {
    let planned = Planned::of(random_layer(1, 3000));
    let registry = Faulty::start();
    registry.push(&planned.sandbox.path().join("image"), "app:v1");
    let other = Sandbox::new();
    let line = crate::planned(&other, &registry, &app(&registry));
    let from_layout = soci_tool(&planned.sandbox).stdin(planned.line).run();
    let from_registry = soci_tool(&other).stdin(line).run();
    let [one, two] = [from_layout, from_registry].map(|finished| only_document(&finished));
    for field in ["layers", "index"] {
        assert_eq!(one["manifests"][0][field], two["manifests"][0][field]);
    }
}
