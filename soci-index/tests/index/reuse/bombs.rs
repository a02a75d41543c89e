//! Ztocs that claim much memory. Each run has 256 MiB.

use std::fs;

use serde_json::{Value, json};
use soci_testkit::{
    bombs::{Claims, repeated_entry},
    image::{Image, random_layer},
    offers::OfferedZtoc,
    process::Finished,
    store::{blob_file, files_below},
};

use super::{Run, TOOL, layer_of};
use crate::soci_tool;

/// An image whose layer has the size that its manifest claims, or is not there at all.
struct Bombed {
    run: Run,
    size: u64,
}

impl Bombed {
    /// Returns an image of one layer of about `size` bytes.
    fn with_layer(size: usize) -> Self {
        let run = Run::of(&Image::new("linux/amd64").layer(random_layer(1, size)));
        let size = run.plan["manifests"][0]["layers"][0]["descriptor"]["size"].as_u64();
        let size = size.expect("a size");
        Self { run, size }
    }

    /// Returns an image whose only layer is said to have `size` bytes, but is nowhere.
    fn without_layer(size: u64) -> Self {
        let mut bombed = Self::with_layer(1000);
        let layout = bombed.run.sandbox.path().join("image");
        let root = bombed.run.plan["root"].clone();
        let file = blob_file(&layout, &root["digest"]);
        let mut manifest: Value =
            serde_json::from_slice(&fs::read(&file).expect("a manifest")).expect("JSON");
        let layer = blob_file(&layout, &manifest["layers"][0]["digest"]);
        fs::remove_file(layer).expect("the layer");
        manifest["layers"][0]["size"] = size.into();
        let bytes = manifest.to_string();
        let digest = json!(soci_testkit::image::digest(bytes.as_bytes()));
        fs::write(blob_file(&layout, &digest), &bytes).expect("a writable layout");
        let index = layout.join("index.json");
        let text = fs::read_to_string(&index).expect("a layout");
        let mut roots: Value = serde_json::from_str(&text).expect("JSON");
        roots["manifests"][0]["digest"] = digest;
        roots["manifests"][0]["size"] = bytes.len().into();
        fs::write(&index, roots.to_string()).expect("a writable layout");
        let line = crate::planned(&bombed.run.sandbox, layout.as_path(), "oci:image");
        bombed.run.plan = serde_json::from_slice(&line).expect("a document");
        bombed.size = size;
        bombed
    }

    /// Offers a ztoc and runs the tool with limited memory.
    fn finish(&self, bytes: Vec<u8>) -> Finished {
        let layer = &self.run.plan["manifests"][0]["layers"][0]["descriptor"];
        let annotations = json!({"com.amazon.soci.image-layer-digest": layer["digest"],
            "com.amazon.soci.image-layer-mediaType": layer["mediaType"],
            "com.amazon.soci.span-size": "4194304"});
        let descriptor =
            json!({"mediaType": "application/octet-stream", "annotations": annotations});
        let bytes_of = OfferedZtoc {
            descriptor,
            bytes: Vec::new(),
        };
        self.run.offer("evil", &[&bytes_of.with_bytes(bytes)]);
        let mut plan = self.run.plan.clone();
        plan["plan"]["reuseFrom"] = json!(["oci:evil"]);
        let tool = soci_tool(&self.run.sandbox).args(["-v", "--jobs", "1"]);
        tool.limit_memory().stdin(format!("{plan}\n")).run()
    }

    fn claims(&self) -> Claims<'static> {
        Claims {
            tool: TOOL,
            layer_size: self.size,
            tar_size: self.size,
        }
    }

    /// Asserts that the layer was built, and that nothing of the bomb is in the store.
    #[track_caller]
    fn assert_built(&self, finished: &Finished, bomb: u64) {
        let layer = layer_of(finished);
        assert!(layer["ztoc"]["digest"].is_string(), "{layer}");
        assert_eq!(layer["reused"], Value::Null);
        for file in files_below(&self.run.sandbox.store()) {
            let length = fs::metadata(&file).expect("a file").len();
            assert!(length < bomb, "{} has {length} bytes", file.display());
        }
    }
}

/// 10 MiB of one entry took 817 MB: 4.8 bytes for each time that it is named.
#[test]
fn ten_mib_of_one_entry_are_refused_and_the_layer_is_indexed() {
    let bombed = Bombed::with_layer(11 << 20);
    let bomb = repeated_entry(bombed.claims(), 10 << 18);
    let length = bomb.len() as u64;
    let finished = bombed.finish(bomb);
    bombed.assert_built(&finished, length);
    finished.says("not reused: it is malformed: parts overlap too much");
}

/// The layer that a bomb claims to belong to need not exist. Its size is no reason to read more
/// than 112 MiB, and what is read is not decoded.
#[test]
fn a_large_bomb_for_a_layer_that_does_not_exist_is_refused() {
    let layer_size = 250 << 20;
    for (length, reason) in [
        (110 << 20, "not reused: it is malformed: "),
        (249 << 20, "expected at most 117440512"),
    ] {
        let bombed = Bombed::without_layer(layer_size);
        let bomb = repeated_entry(bombed.claims(), length / 4);
        let finished = bombed.finish(bomb);
        let finished = finished.ends_with(80);
        finished.says(reason).writes_only_its_failure();
    }
}

/// A bomb that claims another layer, tool or span size is not decoded at all.
#[test]
fn a_bomb_of_another_layer_is_refused_by_what_it_says_of_itself() {
    let bombed = Bombed::with_layer(3 << 20);
    let other = Claims {
        layer_size: bombed.size + 1,
        ..bombed.claims()
    };
    let bomb = repeated_entry(other, 1 << 19);
    let length = bomb.len() as u64;
    let finished = bombed.finish(bomb);
    bombed.assert_built(&finished, length);
    finished.says("not reused: its layer has ");
}
