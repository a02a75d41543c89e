//! Ztocs that differ from those that this run would build: they are not reused, and the result is
//! the same as without them.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use soci_testkit::{
    image,
    offers::{OfferedZtoc, write_offers},
    process::{Sandbox, Tool},
    registry::Registry,
};
use soci_ztoc::Ztoc;

use super::{
    assert_built, assert_same_result, five_layers, index_with_empty_store, publish, sent,
    with_force, with_sizes, without_force,
};
use crate::stages::{Stages, blob_file, layers};

const ALL: [usize; 5] = [0, 1, 2, 3, 4];

#[test]
fn does_not_reuse_a_ztoc_with_other_settings() {
    let registry = Registry::distribution();
    let before = publish(&registry, "v0", &[five_layers("linux/amd64", 3)]);
    let tool = |tool: Tool| tool.env("SOCI_BUILD_TOOL_IDENTIFIER", "another");
    index_with_empty_store(&before, &[], tool).succeeds();
    index_with_empty_store(&before, &["--span-size", "1MiB"], with_force).succeeds();
    let after = publish(&registry, "v1", &[five_layers("linux/amd64", 30)]);
    let plan = ["--reuse-from", before.as_str()];
    let log = registry.log().len();
    let run = index_with_empty_store(&after, &plan, without_force);
    let stderr = run.stderr();
    let document = run.succeeds_for_one();
    assert_built(&stderr, &document, &ALL);
    assert_eq!(sent(&registry, log, &document), with_sizes(&document, &ALL));
    assert_same_result(
        &document,
        &index_with_empty_store(&after, &plan, with_force).succeeds_for_one(),
    );
    // A run with the same settings reuses it.
    let run = index_with_empty_store(&before, &["--span-size", "1MiB"], without_force);
    assert_built(&run.stderr(), &run.succeeds_for_one(), &[]);
}

#[test]
fn does_not_reuse_a_ztoc_that_is_lost_or_damaged() {
    let registry = Registry::distribution();
    let image = publish(&registry, "v0", &[five_layers("linux/amd64", 3)]);
    let document = index_with_empty_store(&image, &[], with_force).succeeds_for_one();
    let file = |digest: &Value| {
        let hex = digest.as_str().expect("a digest").replace("sha256:", "");
        let blobs = registry.data().join("docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    };
    // The destination is another one, because a push to the image's own repository must fail.
    let elsewhere = |tool: Tool| {
        let tool = tool.env("SOCI_TO", "oci:out");
        tool.env("SOCI_RETRY_WAIT", "0.005")
    };
    let ztoc = |at: usize| file(&layers(&document)[at]["ztoc"]["digest"]);
    let mut damaged = fs::read(ztoc(0)).expect("a ztoc");
    damaged[1000] ^= 1;
    fs::write(ztoc(0), damaged).expect("a writable registry");
    fs::write(ztoc(1), b"short").expect("a writable registry");
    fs::remove_file(ztoc(2)).expect("a ztoc");
    let run = index_with_empty_store(&image, &[], elsewhere);
    let stderr = run.stderr();
    let reused = run.succeeds_for_one();
    assert_built(&stderr, &reused, &[0, 1, 2]);
    assert_same_result(&reused, &document);

    let indexes = &document["manifests"][0]["index"];
    fs::write(file(&indexes["v2"]["digest"]), b"{}").expect("a writable registry");
    fs::remove_file(file(&indexes["v1"]["digest"])).expect("a SOCI index");
    let run = index_with_empty_store(&image, &[], elsewhere);
    assert_built(&run.stderr(), &document, &ALL);
    assert_same_result(&run.succeeds_for_one(), &document);
}

/// An image of five layers in a layout, and the ztocs that a run without reuse makes for it.
struct Indexed {
    sandbox: Sandbox,
    /// The document of a run without reuse.
    document: Value,
    /// The descriptor and the bytes of each layer's ztoc.
    ztocs: Vec<(Value, Vec<u8>)>,
}

impl Indexed {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        image::write_layout(
            &sandbox.path().join("image"),
            &[five_layers("linux/amd64", 3)],
        );
        let image = format!("oci:{}", sandbox.path().join("image").display());
        let from = format!("oci:{}", sandbox.path().join("cache").display());
        let stages = Stages::of(&sandbox, &[image]).plan(&["--reuse-from", &from]);
        let stages = stages.push(&["--to", "oci:out"]);
        let document = stages.run_with(with_force).succeeds_for_one();
        let ztoc = |layer: &&Value| {
            let ztoc = layer["ztoc"].clone();
            let bytes = fs::read(blob_file(&sandbox.store(), &ztoc["digest"])).expect("a ztoc");
            (ztoc, bytes)
        };
        let ztocs = layers(&document).iter().map(ztoc).collect();
        Self {
            sandbox,
            document,
            ztocs,
        }
    }

    fn cache(&self) -> PathBuf {
        self.sandbox.path().join("cache")
    }

    /// Runs with the cache, and asserts that the result is the same as without it. `built` are the
    /// layers that are read nevertheless.
    #[track_caller]
    fn assert_built_with_cache(&self, built: &[usize]) -> String {
        let sandbox = Sandbox::new();
        let image = self.document["image"].as_str().expect("a reference");
        let from = self.document["plan"]["reuseFrom"][0]
            .as_str()
            .expect("a reference");
        let stages = Stages::of(&sandbox, &[image]).plan(&["--reuse-from", from]);
        let run = stages.push(&["--to", "oci:out"]).run();
        let stderr = run.stderr();
        let document = run.succeeds_for_one();
        assert_built(&stderr, &document, built);
        assert_same_result(&document, &self.document);
        stderr
    }

    /// Writes a cache with a SOCI index over `ztocs`.
    fn write_cache(&self, ztocs: &[(Value, Vec<u8>)]) {
        let index = soci_index(&self.sandbox, &self.document);
        let tool = index["annotations"]["com.amazon.soci.build-tool-identifier"].as_str();
        let offered = ztocs.iter().cloned();
        let offered = offered.map(|(descriptor, bytes)| OfferedZtoc { descriptor, bytes });
        let offered: Vec<OfferedZtoc> = offered.collect();
        write_offers(&self.cache(), tool.expect("a tool"), &offered);
    }

    /// Writes a cache with a changed ztoc for the first layer, and asserts that the ztoc is not
    /// reused.
    #[track_caller]
    fn assert_not_reused(&self, why: &str, change: impl Fn(Ztoc) -> Vec<u8>) {
        let mut ztocs = self.ztocs.clone();
        let (descriptor, bytes) = &mut ztocs[0];
        *bytes = change(Ztoc::decode(bytes).expect("a ztoc"));
        descriptor["digest"] = json!(image::digest(bytes));
        descriptor["size"] = json!(bytes.len());
        self.write_cache(&ztocs);
        let stderr = self.assert_built_with_cache(&[0]);
        let says = |line: &str| line.contains("not reused: ") && line.contains(why);
        assert!(stderr.lines().any(says), "no `{why}` in:\n{stderr}");
    }
}

/// Returns the SOCI index of version 2 that a document names.
fn soci_index(sandbox: &Sandbox, document: &Value) -> Value {
    let index = &document["manifests"][0]["index"]["v2"]["digest"];
    crate::stages::blob_json(&sandbox.store(), index)
}

fn encoded(ztoc: &Ztoc) -> Vec<u8> {
    ztoc.encode().expect("it is small")
}

#[test]
fn does_not_reuse_a_ztoc_that_contradicts_the_layer() {
    let indexed = Indexed::new();
    indexed.write_cache(&indexed.ztocs);
    indexed.assert_built_with_cache(&[]);
    indexed.assert_not_reused("bytes, expected", |mut ztoc| {
        ztoc.compressed_archive_size += 1;
        encoded(&ztoc)
    });
    indexed.assert_not_reused("it was built by `another`", |mut ztoc| {
        "another".clone_into(&mut ztoc.build_tool_identifier);
        encoded(&ztoc)
    });
    indexed.assert_not_reused("it is of version `1.0`", |mut ztoc| {
        "1.0".clone_into(&mut ztoc.version);
        encoded(&ztoc)
    });
    indexed.assert_not_reused("its spans are of 1048576 bytes", |mut ztoc| {
        let size = (1_u64 << 20).to_le_bytes();
        ztoc.compression_info.checkpoints[4..12].copy_from_slice(&size);
        encoded(&ztoc)
    });
    indexed.assert_not_reused("readers would fail on it", |mut ztoc| {
        ztoc.toc[0].mod_time.clear();
        encoded(&ztoc)
    });
    indexed.assert_not_reused("this tool would write other bytes", |ztoc| {
        let mut bytes = encoded(&ztoc);
        bytes.extend([0; 8]);
        bytes
    });
}

#[test]
fn does_not_reuse_a_malformed_ztoc() {
    let indexed = Indexed::new();
    for garbage in [
        Vec::new(),
        vec![0xff; 40_000],
        b"\x04\x00\x00\x00".repeat(5000),
    ] {
        indexed.assert_not_reused("", |_| garbage.clone());
    }
    for length in [1, 100, 20_000] {
        indexed.assert_not_reused("", |ztoc| {
            let mut bytes = encoded(&ztoc);
            bytes.truncate(length);
            bytes
        });
    }
}

#[test]
fn does_not_reuse_a_ztoc_with_a_wrong_digest() {
    let indexed = Indexed::new();
    let mut ztocs = indexed.ztocs.clone();
    let last = ztocs[0].1.last_mut().expect("some bytes");
    *last ^= 1;
    indexed.write_cache(&ztocs);
    let stderr = indexed.assert_built_with_cache(&[0]);
    assert!(stderr.contains("not reused: it cannot be read"), "{stderr}");
    // A ztoc that does not exist is not reused either.
    ztocs[0].1.clear();
    indexed.write_cache(&ztocs);
    fs::remove_file(blob_file(&indexed.cache(), &ztocs[0].0["digest"])).expect("the ztoc");
    let stderr = indexed.assert_built_with_cache(&[0]);
    assert!(
        stderr.contains("not reused: it is not in the source"),
        "{stderr}"
    );
}

#[test]
fn does_not_reuse_a_ztoc_of_another_layer() {
    let indexed = Indexed::new();
    let mut ztocs = indexed.ztocs.clone();
    let (first, second) = (ztocs[0].1.clone(), ztocs[1].1.clone());
    assert_ne!(first, second);
    for (at, bytes) in [(0, second), (1, first)] {
        ztocs[at].0["digest"] = json!(image::digest(&bytes));
        ztocs[at].0["size"] = json!(bytes.len());
        ztocs[at].1 = bytes;
    }
    indexed.write_cache(&ztocs);
    // Layers of random bytes of one length differ in size, so the size identifies each.
    indexed.assert_built_with_cache(&[0, 1]);
}

#[test]
fn does_not_read_an_index_that_is_too_large() {
    let indexed = Indexed::new();
    // A ztoc of 3 GiB for each layer.
    let mut ztocs = indexed.ztocs.clone();
    for (descriptor, bytes) in &mut ztocs {
        descriptor["size"] = json!(3_u64 << 30);
        bytes.clear();
    }
    indexed.write_cache(&ztocs);
    indexed.assert_built_with_cache(&ALL);
    // A manifest cannot hold a hundred thousand layers; as many as it can hold are examined.
    for (count, built) in [(100_000, &ALL[..]), (10_000, &[])] {
        let digest = image::digest(b"another layer");
        let mut other = indexed.ztocs[0].0.clone();
        other["annotations"]["com.amazon.soci.image-layer-digest"] = json!(digest);
        let others = vec![(other, Vec::new()); count];
        indexed.write_cache(&[&others[..], &indexed.ztocs[..]].concat());
        indexed.assert_built_with_cache(built);
    }
    // Of many different ztocs for one layer none is tried.
    let many = (0..5000_u64).map(|at| {
        let mut other = indexed.ztocs[0].0.clone();
        other["digest"] = json!(image::digest(&at.to_le_bytes()));
        (other, vec![0; 10])
    });
    let many: Vec<_> = many.chain(indexed.ztocs.clone()).collect();
    indexed.write_cache(&many);
    let stderr = indexed.assert_built_with_cache(&[0]);
    assert_eq!(stderr.matches("not reused: ").count(), 0, "{stderr}");
    let warnings = stderr.matches("two different ztocs are offered").count();
    assert_eq!(warnings, 1, "{stderr}");
    assert!(stderr.contains("(and 4999 more)"), "{stderr}");
}

#[test]
fn does_not_reuse_from_something_else_than_an_image() {
    let indexed = Indexed::new();
    indexed.write_cache(&indexed.ztocs);
    for text in ["", "{}", "[]", "{\"schemaVersion\":2,\"manifests\":[{}]}"] {
        fs::write(indexed.cache().join("index.json"), text).expect("a writable sandbox");
        let stderr = indexed.assert_built_with_cache(&ALL);
        assert!(
            stderr.contains("warning: no index can be reused"),
            "{stderr}"
        );
    }
}
