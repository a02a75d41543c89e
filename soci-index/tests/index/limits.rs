//! Layers whose ztocs are large, or that break millions of rules. The tool needs at most 256 MiB of
//! memory for them, and skips a layer with a reason as soon as its ztoc is too large.

use std::time::{Duration, Instant};

use serde_json::Value;
use soci_testkit::{
    archive::{gzip, header},
    image::{self, Image, Layer, noise},
    process::{Finished, Sandbox, Tool},
};

use crate::{only_document, planned, soci_tool};

/// How many entries a member of a hostile gzip layer has.
const MEMBER_ENTRIES: usize = 4096;

/// A layer of `count` times the same gzip member, and the end of the tar. So a layer of millions of
/// entries is made in no time.
fn repeated(member: &[u8], count: usize) -> Layer {
    let mut bytes = gzip(member).repeat(count);
    bytes.extend(gzip(&[0; 1024]));
    Layer::from_bytes(bytes)
}

/// A layer of directories to which their headers give a size, `count` times 4096.
fn directories(count: usize) -> Layer {
    let entries = (0..MEMBER_ENTRIES).map(|number| header(&format!("d{number:04}"), b'5', 5));
    repeated(&entries.collect::<Vec<_>>().concat(), count)
}

/// A layer whose every header is the same.
fn equal_files(count: usize) -> Layer {
    repeated(&header("f", b'0', 0).repeat(MEMBER_ENTRIES), count)
}

/// A layer of hard links to what does not exist.
fn hard_links(count: usize) -> Layer {
    let entries = (0..MEMBER_ENTRIES).map(|number| header(&format!("l{number:04}"), b'1', 0));
    repeated(&entries.collect::<Vec<_>>().concat(), count)
}

/// Returns an entry with an extended attribute.
fn entry_with_xattr(name: &str, value: &[u8]) -> Vec<u8> {
    let key = b"SCHILY.xattr.user.note=";
    let length = key.len() + value.len() + 1;
    // The length of a record includes its own digits and a space.
    let digits = (length + 7).to_string().len();
    let record = [
        format!("{} ", length + digits + 1).as_bytes(),
        key,
        value,
        b"\n",
    ]
    .concat();
    let mut entry = header("pax", b'x', record.len() as u64);
    entry.extend(&record);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry.extend(header(name, b'0', 0));
    entry
}

/// A layer of `count` times 64 files with an extended attribute each, of 10,000 bytes. Every file
/// has the attribute of the file `period` before.
fn extended_attributes(period: u64, count: usize) -> Layer {
    let values: Vec<Vec<u8>> = (0..period).map(|seed| noise(seed + 1, 10_000)).collect();
    let values = values.iter().cycle().take(64).enumerate();
    let entries = values.map(|(number, value)| entry_with_xattr(&format!("f{number}"), value));
    repeated(&entries.collect::<Vec<_>>().concat(), count)
}

/// An image of layers in a layout, and the plan for it.
struct Planned {
    sandbox: Sandbox,
    line: Vec<u8>,
}

impl Planned {
    fn of(layers: impl IntoIterator<Item = Layer>) -> Self {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let image = Image::new("linux/amd64").layers(layers);
        image::write_layout(&layout, &[image]);
        let line = planned(&sandbox, layout.as_path(), "oci:image");
        Self { sandbox, line }
    }

    fn tool(&self) -> Tool {
        soci_tool(&self.sandbox).stdin(self.line.clone())
    }

    /// Indexes the image in 256 MiB, which must succeed.
    #[track_caller]
    fn index(&self, arguments: &[&str]) -> (Finished, Value) {
        let finished = self.tool().args(arguments).limit_memory().run();
        let document = only_document(&finished);
        (finished, document)
    }

    /// Indexes the image in 256 MiB, which skips its only layer for a reason.
    #[track_caller]
    fn assert_skipped(&self, reason: &str, says: &str) {
        let (finished, document) = self.index(&["--jobs", "1"]);
        let layer = &document["manifests"][0]["layers"][0];
        assert_eq!(layer["skipped"], reason, "{}", finished.stderr);
        finished.says(says);
    }
}

/// Returns how long a run takes that indexes or skips a layer.
fn time(layer: Layer) -> Duration {
    let planned = Planned::of([layer]);
    let started = Instant::now();
    planned.index(&["--jobs", "1"]);
    started.elapsed()
}

/// Each breaks a rule, and only one is told. Readers would look for the next header too late.
#[test]
fn keeps_no_list_of_broken_rules() {
    let planned = Planned::of([directories(100)]);
    planned.assert_skipped("unreadable-by-snapshotter", "no contents in the tar (and ");
    let links = Planned::of([hard_links(100)]);
    let (finished, document) = links.index(&["--jobs", "1"]);
    assert!(document["manifests"][0]["layers"][0]["ztoc"].is_object());
    finished
        .says("will not start this layer lazily")
        .says("rules=409600");
}

/// 4.9 million directories in 25 MB: the ztoc would have 700 MB.
#[test]
fn skips_a_layer_of_millions_of_directories() {
    let planned = Planned::of([directories(1200)]);
    planned.assert_skipped("ztoc-too-large", "more than 536870912 bytes in its ztoc");
}

/// 14 million files in 7 MB.
#[test]
fn skips_a_layer_of_more_files_than_a_ztoc_holds() {
    let planned = Planned::of([equal_files(3400)]);
    let tool = planned.tool().args(["--max-ztoc-size", "64MiB"]);
    let finished = tool.limit_memory().run();
    let document = only_document(&finished);
    let layer = &document["manifests"][0]["layers"][0];
    assert_eq!(layer["skipped"], "ztoc-too-large", "{}", finished.stderr);
    finished.says("more than 67108864 bytes in its ztoc");
}

/// The ztoc of 330 MB is larger than the memory, and is written nevertheless.
#[test]
fn indexes_a_layer_whose_ztoc_is_larger_than_the_memory() {
    let planned = Planned::of([extended_attributes(1, 512)]);
    let (_, document) = planned.index(&["--jobs", "1"]);
    let size = document["manifests"][0]["layers"][0]["ztoc"]["size"].as_u64();
    assert!(size > Some(300 << 20), "{size:?}");
}

/// Six tables of 65 MB each are read by six jobs in 256 MiB: one at a time, and the memory of each
/// is given back before the next one is read.
#[test]
fn six_jobs_share_the_memory_for_large_tables() {
    let planned = Planned::of((0..6).map(|number| extended_attributes(2, 100 - number)));
    let (finished, document) = planned.index(&["--jobs", "6"]);
    let layers = document["manifests"][0]["layers"].as_array();
    for layer in layers.expect("layers") {
        let size = layer["ztoc"]["size"].as_u64();
        assert!(size > Some(50 << 20), "{layer} {}", finished.stderr);
    }
}

/// Attributes that differ from those of the file before are held in memory as they are.
#[test]
fn skips_a_layer_whose_attributes_need_too_much_memory() {
    let planned = Planned::of([extended_attributes(2, 300)]);
    let says = "more than 134217728 bytes of files and extended attributes in memory";
    planned.assert_skipped("ztoc-too-large", says);
}

/// The limit is an option, and the reason is kept for runs with the same limit only.
#[test]
fn the_largest_ztoc_can_be_chosen() {
    let planned = Planned::of([extended_attributes(1, 1)]);
    let run = |size: &str| {
        let tool = planned.tool().args(["--max-ztoc-size", size]);
        let finished = tool.env("SOCI_VERBOSE", "1").run();
        let document = only_document(&finished);
        let layer = document["manifests"][0]["layers"][0].clone();
        let bytes = document["timing"]["index"]["bytes"].clone();
        (layer["skipped"] == "ztoc-too-large", bytes != 0)
    };
    let (is_skipped, has_read) = (true, true);
    assert_eq!(run("100kB"), (is_skipped, has_read));
    assert_eq!(run("100kB"), (is_skipped, !has_read));
    assert_eq!(run("50kB"), (is_skipped, !has_read));
    assert_eq!(run("10MB"), (!is_skipped, has_read));
    assert_eq!(run("512MB"), (!is_skipped, !has_read));
    // A ztoc in the cache is not used if it is larger than the limit.
    assert_eq!(run("100kB"), (is_skipped, has_read));
    let strict = planned
        .tool()
        .args(["--strict", "--max-ztoc-size", "100kB"]);
    let finished = strict.run().ends_with(65);
    finished
        .says("ztoc-too-large: layer has more than 100000 bytes in its ztoc")
        .says("raise `--max-ztoc-size`")
        .writes_only_its_failure();
}

/// A hostile layer takes no more than a hundred times as long as a sound one of the same size.
#[test]
fn a_hostile_layer_takes_as_long_as_its_size_permits() {
    let hostile = directories(100);
    let sound = image::random_layer(1, hostile.size());
    let (sound, hostile) = (time(sound), time(hostile));
    assert!(hostile < sound * 100, "{hostile:?} after {sound:?}");
}
