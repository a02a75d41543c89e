//! What is never removed.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use soci_testkit::{
    damage::DAMAGES,
    image::{self, Image, random_layer},
    store::blob_file,
};

use crate::store::{DAY, Store, listed, result, set_age};

const EVERYTHING: [&str; 4] = ["--keep-days", "0", "--max-size", "0"];

/// A process that holds the lock of a file of the store, as a tool does while it runs.
struct LockHolder(Child);

impl LockHolder {
    fn of(store: &Store, file: &Path, options: &str) -> Self {
        let held = store.sandbox.path().join("held");
        let script = format!("exec 9<\"$0\" && flock {options} 9 && : >\"$1\" && exec sleep 600");
        let shell = store.sandbox.program("sh").args(["-c", &script]);
        let shell = shell.arg(file).arg(&held);
        let child = shell.into_command().stdin(Stdio::null()).spawn();
        let holder = Self(child.expect("sh"));
        let deadline = Instant::now() + Duration::from_secs(30);
        while !held.exists() {
            assert!(Instant::now() < deadline, "the lock is never held");
            thread::sleep(Duration::from_millis(2));
        }
        holder
    }
}

impl Drop for LockHolder {
    fn drop(&mut self) {
        self.0.kill().expect("a process that runs");
        self.0.wait().expect("its end");
    }
}

#[test]
fn refuses_a_layout_that_is_no_store() {
    let store = Store::new();
    let layout = store.sandbox.path().join("image");
    let root = image::write_layout(&layout, &[Image::new("linux/amd64")]);
    let path = blob_file(&layout, &root["digest"]);
    set_age(&path, 100 * DAY);
    let tool = store.tool().args(EVERYTHING).args(["--store", "image"]);
    let finished = tool.run().ends_with(65);
    finished.says("image").says("soci-store").says("--store");
    assert!(path.exists());
    // A directory that is no layout at all.
    let tool = store.tool().args(EVERYTHING).args(["--store", "home"]);
    tool.run().ends_with(65).says("oci-layout");
}

#[test]
fn keeps_the_images_that_index_json_lists() {
    let store = Store::new();
    let image = store.add_image("app", &[random_layer(1, 3000)]);
    let other = store.add_image("other", &[random_layer(2, 3000)]);
    let root = image.document["root"].clone();
    let index = json!({"schemaVersion": 2, "manifests": [root]});
    store.write("index.json", index.to_string());
    store.set_all_ages(100 * DAY);
    let finished = store.prune(&EVERYTHING).succeeds();
    let config = &image.document["manifests"][0]["config"]["digest"];
    for digest in [image.layer_digests(), vec![&root["digest"], config]].concat() {
        assert!(store.has(digest), "{digest}");
    }
    assert!(!store.has(other.layer_digests()[0]));
    assert_eq!(result(&finished)["fits"], false);
    finished.says("index.json");
}

#[test]
fn refuses_a_malformed_index() {
    let store = Store::new();
    store.add_image("app", &[random_layer(1, 3000)]);
    store.write("index.json", "{\"schemaVersion\":2,");
    store.set_all_ages(100 * DAY);
    let before = store.files();
    store.prune(&EVERYTHING).ends_with(65).says("index.json");
    assert_eq!(store.files(), before);
}

/// A document may lie in a file between two steps of a Makefile.
#[test]
fn keeps_what_was_used_within_a_day_but_no_layer() {
    let store = Store::new();
    let image = store.add_image("app", &[random_layer(1, 3000)]);
    store.set_all_ages(DAY / 2);
    let finished = store.prune(&EVERYTHING).succeeds();
    for digest in [image.manifests(), image.ztocs()].concat() {
        assert!(store.has(digest), "{digest}");
    }
    assert!(!store.has(image.layer_digests()[0]));
    finished.says("--min-age");
    store
        .tool()
        .args(EVERYTHING)
        .args(["--min-age", "3600"])
        .run()
        .succeeds();
    assert!(!store.has(image.ztocs()[0]));
}

#[test]
fn keeps_young_files_while_a_tool_uses_the_store() {
    let store = Store::new();
    let image = store.add_image("app", &[random_layer(1, 3000)]);
    let unfinished = store.write(".unfinished-a1B2c3", "half");
    let holder = LockHolder::of(&store, &store.path().join("soci-store"), "-s");
    let prune = || store.tool().args(EVERYTHING).args(["--min-age", "1"]).run();
    store.set_all_ages(DAY / 48);
    let before = store.files();
    assert_eq!(result(&prune().succeeds())["removed"]["files"], 0);
    assert_eq!(store.files(), before);
    // Layers are protected for an hour, and all others for a day.
    store.set_all_ages(DAY / 2);
    assert_eq!(listed(&prune().succeeds()).len(), 1);
    assert!(!store.has(image.layer_digests()[0]));
    drop(holder);
    prune().succeeds();
    assert!(!store.has(image.ztocs()[0]));
    assert!(!unfinished.exists());
}

#[test]
fn removes_unfinished_files_that_no_process_writes() {
    let store = Store::new();
    let written = store.write(".unfinished-writing", "half");
    let left = store.write(".unfinished-a1B2c3", "half");
    let holder = LockHolder::of(&store, &written, "-x");
    store.set_all_ages(2 * DAY);
    let finished = store.prune(&["--keep-days", "30"]).succeeds();
    assert!(written.exists());
    assert!(!left.exists(), "{}", finished.text());
    let file = &finished.documents()[0];
    assert_eq!(file["kind"], "unfinished");
    drop(holder);
}

#[test]
fn follows_no_link_and_removes_no_file_of_others() {
    let store = Store::new();
    let outside = store.sandbox.write("outside/file", "of the user");
    let name = image::digest(b"link");
    let link = store.path().join("blobs").join(name.replace(':', "/"));
    fs::create_dir_all(link.parent().expect("a directory")).expect("a directory");
    symlink(&outside, &link).expect("a link");
    symlink(
        outside.parent().expect("a directory"),
        store.path().join("ztocs"),
    )
    .expect("a link");
    let key = image::digest(b"key").replace("sha256:", "");
    let entry = store.sandbox.write(&format!("outside/{key}"), "{}");
    let mine = store.write("notes.txt", "of the user");
    let blob = store.write("blobs/sha256/README", "of the user");
    set_age(&outside, 100 * DAY);
    set_age(&entry, 100 * DAY);
    store.set_all_ages(100 * DAY);
    let finished = store.prune(&EVERYTHING).succeeds();
    assert_eq!(result(&finished)["removed"]["files"], 0);
    finished.says("ztocs");
    for path in [outside, entry, mine, blob] {
        assert!(path.exists(), "{}", path.display());
    }
    assert!(link.is_symlink());
}

#[test]
fn a_damaged_manifest_needs_nothing_and_is_removed_by_its_age() {
    let store = Store::new();
    let image = store.add_image("app", &[random_layer(1, 3000)]);
    store.set_all_ages(40 * DAY);
    for digest in image.manifests() {
        let path = blob_file(&store.path(), digest);
        (DAMAGES[0].1)(&path);
        set_age(&path, 2 * DAY);
    }
    store.prune(&["--keep-days", "30"]).succeeds();
    assert!(!store.has(image.ztocs()[0]));
    store.prune(&["--keep-days", "1"]).succeeds();
    assert!(image.manifests().iter().all(|digest| !store.has(digest)));
}

/// A hostile image names the ztoc of another image as its layer. The ztoc is then not removed as
/// early as a layer.
#[test]
fn a_blob_that_an_index_needs_is_not_a_layer() {
    let store = Store::new();
    let image = store.add_image("app", &[random_layer(1, 3000)]);
    let ztoc = &image.layers()[0]["ztoc"];
    let hostile = json!({"schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": image::digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": ztoc["digest"], "size": ztoc["size"]}]});
    store.write_blob(hostile.to_string().as_bytes());
    let finished = store.prune(&["--max-size", "0"]).succeeds();
    assert!(store.has(&ztoc["digest"]));
    let kinds: Vec<Value> = finished.documents();
    let kinds = kinds.iter().filter(|line| line["file"].is_string());
    assert!(kinds.clone().all(|line| line["kind"] == "layer"));
    assert_eq!(kinds.count(), 1);
}
