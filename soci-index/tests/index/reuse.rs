//! Ztocs that were not built here: the document and the store tell where they come from, and they
//! serve only runs that trust that source.

mod bombs;
mod offers;
mod trust;
mod verify;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};
use soci_testkit::{
    image::{self, Image, Layer, noise},
    offers::{OfferedZtoc, write_offers},
    process::{Finished, Sandbox},
    store::blob_file,
};
use soci_ztoc::Ztoc;
use soci_ztoc::extract::LayerReader;

use crate::{only_document, planned, soci_tool};

/// The tool that the tests' ztocs are built by.
const TOOL: &str = concat!("soci-index ", env!("CARGO_PKG_VERSION"));

/// Files in the layer of a victim.
const FILES: usize = 4000;

/// Words of eight bytes in each file.
const WORDS: usize = 640;

/// An image whose layer has 4,000 files in several spans, its ztoc, and one with forged windows.
struct Victim {
    image: Image,
    layer: Vec<u8>,
    honest: OfferedZtoc,
    forged: OfferedZtoc,
}

impl Victim {
    /// Returns the victim that all tests share.
    fn get() -> &'static Self {
        static VICTIM: LazyLock<Victim> = LazyLock::new(Victim::new);
        &VICTIM
    }

    fn new() -> Self {
        let layer = layer_of_text();
        let image = Image::new("linux/amd64").layer(Layer::from_bytes(layer.clone()));
        let run = Run::of(&image);
        let document = only_document(&run.finish(&[], &[]));
        let descriptor = document["manifests"][0]["layers"][0]["ztoc"].clone();
        let bytes = fs::read(blob_file(&run.sandbox.store(), &descriptor["digest"]));
        let bytes = bytes.expect("a ztoc");
        let honest = OfferedZtoc { descriptor, bytes };
        let ztoc = Ztoc::decode(&honest.bytes).expect("a ztoc");
        let forged = honest.with_bytes(forge_windows(ztoc).encode().expect("a ztoc"));
        Self {
            image,
            layer,
            honest,
            forged,
        }
    }

    /// Returns how many files a reader of a ztoc reads otherwise than they are in the layer.
    fn count_wrong_files(&self, ztoc: &OfferedZtoc) -> usize {
        let [ztoc, honest] =
            [ztoc, &self.honest].map(|ztoc| Ztoc::decode(&ztoc.bytes).expect("a ztoc"));
        let [mut reader, mut right] = [&ztoc, &honest]
            .map(|ztoc| LayerReader::new(ztoc, self.layer.as_slice()).expect("a sound ztoc"));
        let is_wrong = |entry: &usize| {
            let expected = right.read_entry(*entry).expect("a sound layer");
            reader.read_entry(*entry).ok() != Some(expected)
        };
        (0..ztoc.toc.len()).filter(is_wrong).count()
    }
}

/// Returns a gzip layer of files that consist of the same few words, so that all of their text
/// refers to earlier text.
fn layer_of_text() -> Vec<u8> {
    let words = noise(5, 256 * 8);
    let words: Vec<&[u8]> = words.chunks_exact(8).collect();
    let choices = noise(6, FILES * WORDS);
    let choices = choices.chunks_exact(WORDS).enumerate();
    let files: Vec<(String, Vec<u8>)> = choices
        .map(|(file, choices)| {
            let text = choices.iter().map(|choice| words[usize::from(*choice)]);
            (format!("srv/{file}"), text.collect::<Vec<_>>().concat())
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_slice()))
        .collect();
    let mut bytes = Vec::new();
    drop(Layer::gzip(&files).with_bytes(|layer| bytes.clone_from(layer)));
    bytes
}

/// Replaces every window after the first, so that what refers to it is read wrong. Nothing else in
/// the ztoc changes, so that no rule of the readers is broken.
fn forge_windows(mut ztoc: Ztoc) -> Ztoc {
    let list = &mut ztoc.compression_info.checkpoints;
    let checkpoints = list[12..].chunks_exact_mut(17 + (32 << 10));
    for checkpoint in checkpoints.skip(1) {
        for byte in &mut checkpoint[17..] {
            *byte ^= 0x55;
        }
    }
    ztoc
}

/// A sandbox with an image in the layout `image` and a plan for it. Runs share the store.
struct Run {
    sandbox: Sandbox,
    plan: Value,
}

impl Run {
    fn of(image: &Image) -> Self {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        image::write_layout(&layout, std::slice::from_ref(image));
        let line = planned(&sandbox, layout.as_path(), "oci:image");
        let plan = serde_json::from_slice(&line).expect("a document");
        Self { sandbox, plan }
    }

    /// Writes a layout that offers ztocs.
    fn offer(&self, name: &str, ztocs: &[&OfferedZtoc]) {
        let ztocs: Vec<OfferedZtoc> = ztocs.iter().copied().cloned().collect();
        write_offers(&self.sandbox.path().join(name), TOOL, &ztocs);
    }

    /// Runs the tool with these references in `reuseFrom`.
    fn finish(&self, reuse_from: &[&str], arguments: &[&str]) -> Finished {
        let mut plan = self.plan.clone();
        plan["plan"]["reuseFrom"] = json!(reuse_from);
        let tool = soci_tool(&self.sandbox).args(arguments);
        tool.stdin(format!("{plan}\n")).run()
    }

    /// Returns the reference under which a layout is recorded.
    fn absolute(&self, name: &str) -> String {
        let path: PathBuf = fs::canonicalize(self.sandbox.path()).expect("a sandbox");
        format!("oci:{}", path.join(name).display())
    }
}

/// Returns the only layer of a successful run.
#[track_caller]
fn layer_of(finished: &Finished) -> Value {
    only_document(finished)["manifests"][0]["layers"][0].clone()
}

/// Asserts where the ztoc of a layer comes from.
#[track_caller]
fn assert_layer(finished: &Finished, ztoc: &OfferedZtoc, reused: &Value, from: &Value) {
    let layer = layer_of(finished);
    let stderr = &finished.stderr;
    assert_eq!(
        layer["ztoc"]["digest"], ztoc.descriptor["digest"],
        "{stderr}"
    );
    assert_eq!(&layer["reused"], reused, "{stderr}");
    assert_eq!(&layer["reusedFrom"], from, "{stderr}");
}

/// Asserts that a run has read the layer and used the ztoc that it has built.
#[track_caller]
fn assert_built(finished: &Finished, victim: &Victim) {
    assert_layer(finished, &victim.honest, &Value::Null, &Value::Null);
    let document = only_document(finished);
    assert_eq!(document["timing"]["index"]["reused"], 0, "{document}");
}
