//! Which files are removed.

use std::path::PathBuf;

use serde_json::Value;
use soci_testkit::{image::random_layer, store::blob_file};

use crate::store::{DAY, Store, listed, result, set_age};

#[test]
fn requires_a_limit() {
    let store = Store::new();
    let before = store.files();
    let finished = store.prune(&[]).ends_with(2);
    finished.says("error: neither --keep-days nor --max-size is given");
    assert_eq!(store.files(), before);
    // An empty variable counts as unset.
    let tool = store.tool().env("SOCI_KEEP_DAYS", "");
    tool.run().ends_with(2).says("--keep-days");
}

#[test]
fn refuses_limits_that_are_no_numbers() {
    let store = Store::new();
    for days in ["-1", "1.5", "week", "4294967296"] {
        let finished = store.prune(&[&format!("--keep-days={days}")]).ends_with(2);
        finished.says("a whole number of days");
    }
    store.prune(&["--max-size", "big"]).ends_with(2).says("MiB");
    store.prune(&["--keep-days", "30d"]).succeeds();
}

#[test]
fn removes_what_was_not_used_for_days() {
    let store = Store::new();
    let shared = random_layer(1, 20_000);
    let old = store.add_image("old", &[shared.clone(), random_layer(2, 3000)]);
    store.set_all_ages(40 * DAY);
    let new = store.add_image("new", &[shared, random_layer(3, 3000)]);
    let before = store.files();
    let finished = store.prune(&["--keep-days", "30"]).succeeds();
    for digest in [new.manifests(), new.ztocs(), new.layer_digests()].concat() {
        assert!(store.has(digest), "{digest}");
    }
    let is_shared = |digest: &&&Value| {
        let new = [new.manifests(), new.ztocs(), new.layer_digests()].concat();
        !new.contains(digest)
    };
    let gone = [old.manifests(), old.ztocs(), old.layer_digests()].concat();
    for digest in gone.iter().filter(is_shared) {
        assert!(!store.has(digest), "{digest}");
    }
    let after = store.files();
    assert!(after.is_subset(&before));
    let removed: Vec<_> = before.difference(&after).cloned().collect();
    assert_eq!(listed(&finished).into_iter().collect::<Vec<_>>(), removed);
    let result = result(&finished);
    assert_eq!(result["removed"]["files"], removed.len());
    assert_eq!(result["kept"]["bytes"], store.size());
}

/// The files that an index needs may be older than the index: a run that finds a ztoc in a registry
/// does not read it from the store.
#[test]
fn keeps_what_a_recent_index_needs_whatever_its_age() {
    let store = Store::new();
    let image = store.add_image("app", &[random_layer(1, 3000)]);
    store.set_all_ages(100 * DAY);
    for used in ["v1", "v2"] {
        let index = &image.document["manifests"][0]["index"][used]["digest"];
        set_age(&blob_file(&store.path(), index), DAY);
    }
    let finished = store.prune(&["--keep-days", "30"]).succeeds();
    for ztoc in image.ztocs() {
        assert!(store.has(ztoc), "{}", finished.text());
    }
    let entries = store.files();
    let entries = entries.iter().filter(|path| path.starts_with("ztocs"));
    assert_eq!(entries.count(), 1, "the cache still knows the ztoc");
    // A layer can be downloaded again.
    assert!(!store.has(image.layer_digests()[0]));
    let subject = &image.document["manifests"][0]["descriptor"]["digest"];
    assert!(store.has(subject));
}

#[test]
fn removes_layers_first_until_the_store_is_small_enough() {
    let store = Store::new();
    let older = store.add_image("older", &[random_layer(1, 20_000)]);
    store.set_all_ages(3 * DAY);
    let newer = store.add_image("newer", &[random_layer(2, 20_000)]);
    let limit = (store.size() - 1).to_string();
    let finished = store.prune(&["--max-size", &limit]).succeeds();
    assert!(!store.has(older.layer_digests()[0]));
    assert!(store.has(newer.layer_digests()[0]));
    assert_eq!(result(&finished)["fits"], true);
    assert_eq!(listed(&finished).len(), 1);
    // The layer of the newer image goes although it was used just now, since no tool runs.
    let limit = (store.size() - 1).to_string();
    store.prune(&["--max-size", &limit]).succeeds();
    assert!(!store.has(newer.layer_digests()[0]));
    for digest in [older.manifests(), older.ztocs(), newer.manifests()].concat() {
        assert!(store.has(digest), "{digest}");
    }
}

#[test]
fn removes_what_no_index_needs_before_the_oldest_index() {
    let store = Store::new();
    let image = store.add_image("app", &[random_layer(1, 3000)]);
    let orphan = store.write_blob(br#"{"an old":"configuration"}"#);
    store.set_all_ages(9 * DAY);
    let kept = store.add_image("kept", &[random_layer(2, 3000)]);
    for file in ["app", "kept"] {
        assert!(store.sandbox.path().join(file).exists());
    }
    store.set_all_ages(9 * DAY);
    for digest in [kept.manifests(), kept.ztocs()].concat() {
        set_age(&blob_file(&store.path(), digest), 2 * DAY);
    }
    for layer in [image.layer_digests(), kept.layer_digests()].concat() {
        std::fs::remove_file(blob_file(&store.path(), layer)).expect("a layer");
    }
    let limit = (store.size() - 1).to_string();
    store.prune(&["--max-size", &limit]).succeeds();
    assert!(!orphan.exists());
    let index = &image.document["manifests"][0]["index"]["v2"]["digest"];
    assert!(store.has(index));
    let size: u64 = [kept.manifests(), kept.ztocs()]
        .concat()
        .iter()
        .map(|digest| {
            blob_file(&store.path(), digest)
                .metadata()
                .expect("a blob")
                .len()
        })
        .sum();
    // Enough for one of the images, with the cache entries, and not for both.
    let limit = (size + 500).to_string();
    store.prune(&["--max-size", &limit]).succeeds();
    assert!(!store.has(index));
    for digest in [kept.manifests(), kept.ztocs()].concat() {
        assert!(store.has(digest), "{digest}");
    }
}

#[test]
fn removes_everything_that_is_old_enough_for_a_size_of_zero() {
    let store = Store::new();
    store.add_image("app", &[random_layer(1, 3000)]);
    store.set_all_ages(2 * DAY);
    let finished = store.prune(&["--max-size", "0"]).succeeds();
    let left: Vec<_> = store.files().into_iter().collect();
    let fixed = ["index.json", "oci-layout", "soci-store"].map(PathBuf::from);
    assert_eq!(left, fixed, "{}", finished.text());
    assert_eq!(result(&finished)["kept"]["files"], 0);
}

#[test]
fn prints_what_a_dry_run_would_remove() {
    let store = Store::new();
    store.add_image("app", &[random_layer(1, 3000)]);
    store.set_all_ages(40 * DAY);
    let before = store.files();
    let arguments = ["--keep-days", "30", "--max-size", "1MiB"];
    let dry = store.tool().args(arguments).arg("--dry-run").run();
    let dry = dry.succeeds();
    assert_eq!(store.files(), before);
    let wet = store.prune(&arguments).succeeds();
    assert_eq!(listed(&dry), listed(&wet));
    assert!(!listed(&wet).is_empty());
    let (mut dry, wet) = (result(&dry), result(&wet));
    assert_eq!(dry["dryRun"].take(), true);
    assert_eq!(wet["dryRun"], Value::Null);
    assert_eq!(dry["removed"], wet["removed"]);
    assert_eq!(dry["kept"], wet["kept"]);
}
