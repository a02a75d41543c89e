//! `soci-prune` with stores that the other tools fill, and while they use them.

use std::{
    fs::{self, File},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;
use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::{Finished, Sandbox, Tool},
    workspace,
};

use crate::stages::{Stages, assert_sound, blob_file, files_below, layer, layers, stage};

const DAY: Duration = Duration::from_hours(24);

/// The strictest limits.
const EVERYTHING: [&str; 4] = ["--keep-days", "0", "--max-size", "0"];

/// A sandbox and a registry with the images `app:v1` and `app:v2`, which share a layer.
struct Images {
    sandbox: Sandbox,
    registry: Faulty,
}

impl Images {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let registry = Faulty::start();
        for (tag, seed) in [("v1", 1), ("v2", 2)] {
            let folder = sandbox.path().join(tag);
            let image = Image::new("linux/amd64")
                .layer(layer(9, 20_000))
                .layer(layer(seed, 3000));
            image::write_layout(&folder, &[image]);
            registry.push(&folder, &format!("app:{tag}"));
        }
        Self { sandbox, registry }
    }

    fn reference(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.registry.host())
    }

    /// Runs the whole pipeline.
    #[track_caller]
    fn run(&self, tag: &str) -> Value {
        let stages = Stages::of(&self.sandbox, &["--layers", &self.reference(tag)]);
        stages.run().succeeds_for_one()
    }

    fn prune(&self) -> Tool {
        self.sandbox.tool("soci-prune")
    }

    /// Makes all files of the store look as if they were not used for this time.
    fn set_ages(&self, age: Duration) {
        let clock = self.sandbox.write("clock", "");
        let now = clock.metadata().and_then(|metadata| metadata.modified());
        let time = now.expect("a time") - age;
        for path in files_below(&self.sandbox.store()) {
            let file = File::open(path).expect("a file of the store");
            file.set_modified(time).expect("a changed time");
        }
    }

    /// Asserts that the store has all that a document names, except layers.
    #[track_caller]
    fn assert_complete(&self, document: &Value) {
        let mut digests = vec![
            &document["root"]["digest"],
            &document["converted"]["digest"],
        ];
        for entry in document["manifests"].as_array().expect("manifests") {
            digests.push(&entry["descriptor"]["digest"]);
            digests.push(&entry["config"]["digest"]);
            digests.push(&entry["index"]["v1"]["digest"]);
            digests.push(&entry["index"]["v2"]["digest"]);
        }
        let layers = layers(document).into_iter();
        digests.extend(layers.map(|layer| &layer["ztoc"]["digest"]));
        for digest in digests {
            let file = blob_file(&self.sandbox.store(), digest);
            assert!(file.exists(), "{digest}");
        }
    }
}

/// F12: the store is pruned again and again while pipelines use it, with files that were not used
/// for long.
#[test]
fn removes_nothing_that_a_running_pipeline_needs() {
    let images = Images::new();
    images.run("v1");
    images.run("v2");
    let is_done = AtomicBool::new(false);
    let prune_until_done = |arguments: &[&str]| {
        let mut runs = 0;
        while !is_done.load(Ordering::Relaxed) {
            images.prune().args(arguments).run().succeeds();
            runs += 1;
        }
        runs
    };
    for _ in 0..8 {
        // All files are old when the pipelines start. What a pipeline does not use is removed.
        images.set_ages(40 * DAY);
        is_done.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            let by_age = scope.spawn(|| prune_until_done(&["--keep-days", "30"]));
            let by_size = scope.spawn(|| prune_until_done(&["--max-size", "0"]));
            let pipelines = ["v1", "v2", "v1"].map(|tag| scope.spawn(|| images.run(tag)));
            let documents = pipelines.map(thread::ScopedJoinHandle::join);
            is_done.store(true, Ordering::Relaxed);
            assert!(by_age.join().expect("no panic") > 0);
            assert!(by_size.join().expect("no panic") > 0);
            for document in documents {
                images.assert_complete(&document.expect("a pipeline that succeeds"));
            }
        });
        assert_sound(&images.sandbox.store());
    }
}

/// F12: the store is pruned between the steps of a Makefile.
#[test]
fn keeps_what_a_document_in_a_file_names() {
    let images = Images::new();
    let expected = images.run("v1");
    fs::remove_dir_all(images.sandbox.store()).expect("a store");
    let pull = stage(&images.sandbox, "soci-pull").arg("--layers");
    let mut line = pull.arg(images.reference("v1")).run().succeeds().stdout;
    for tool in ["soci-plan", "soci-index", "soci-push"] {
        images.prune().args(EVERYTHING).run().succeeds();
        let finished: Finished = stage(&images.sandbox, tool).stdin(line).run();
        line = finished.succeeds().stdout;
    }
    let document: Value = serde_json::from_slice(&line).expect("a document");
    assert_eq!(document["converted"], expected["converted"]);
    let index = |document: &Value| document["manifests"][0]["index"].clone();
    assert_eq!(index(&document), index(&expected));
    images.assert_complete(&document);
}

/// A rebuild after a run of `soci-prune` finds the ztocs in the cache, and those of an image that
/// was not used for long are gone.
#[test]
fn keeps_the_cache_of_recent_images() {
    let images = Images::new();
    let old = images.run("v2");
    images.set_ages(40 * DAY);
    let recent = images.run("v1");
    images.prune().args(["--keep-days", "30"]).run().succeeds();
    images.assert_complete(&recent);
    let is_cached =
        |layer: &Value| blob_file(&images.sandbox.store(), &layer["ztoc"]["digest"]).exists();
    let cached: Vec<bool> = layers(&old).into_iter().map(is_cached).collect();
    assert_eq!(
        cached,
        [true, false],
        "the first layer belongs to both images"
    );
    images.registry.clear_requests();
    let layers: Vec<&Value> = layers(&recent);
    let line = stage(&images.sandbox, "soci-pull")
        .arg(images.reference("v1"))
        .run();
    let line = stage(&images.sandbox, "soci-plan")
        .stdin(line.succeeds().stdout)
        .run();
    let index = stage(&images.sandbox, "soci-index")
        .stdin(line.succeeds().stdout)
        .run();
    index.succeeds();
    for layer in layers {
        let digest = layer["descriptor"]["digest"].as_str().expect("a digest");
        assert_eq!(
            images.registry.count("GET", &format!("*/blobs/{digest}")),
            0
        );
    }
}

/// F3: the store is mounted read-only, so that no file of it can be removed.
#[test]
fn names_a_read_only_store() {
    let images = Images::new();
    images.run("v1");
    images.set_ages(40 * DAY);
    let before = files_below(&images.sandbox.store());
    let script = "mount --bind store store && mount -o remount,bind,ro store && exec \"$0\" \"$@\"";
    let shell = images.sandbox.program("unshare");
    let shell = shell.args(["--mount", "--map-root-user", "sh", "-c", script]);
    let shell = shell.arg(workspace::bin("soci-prune")).args(EVERYTHING);
    let finished = shell.run().ends_with(73);
    finished
        .says("cannot remove")
        .says("store/")
        .says("Read-only");
    assert_eq!(files_below(&images.sandbox.store()), before);
}

/// The images of a layout that is not the tools' own stay, even if the tools have used the layout
/// as their store.
#[test]
fn removes_nothing_from_a_layout_of_the_user() {
    let images = Images::new();
    let layout = images.sandbox.path().join("v1");
    let pull = stage(&images.sandbox, "soci-pull").args(["--store", "v1", "oci:v1"]);
    pull.run().succeeds();
    let before = files_below(&layout);
    let prune = images.prune().args(EVERYTHING).args(["--store", "v1"]);
    prune.run().ends_with(65).says("soci-store");
    assert_eq!(files_below(&layout), before);
    assert!(!Path::new(&layout).join("soci-store").exists());
}
