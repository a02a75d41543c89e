//! What is printed.

use std::{fs::File, process::Stdio};

use soci_testkit::image::random_layer;

use crate::store::{DAY, Store, result};

fn old_image() -> Store {
    let store = Store::new();
    store.add_image("app", &[random_layer(1, 3000)]);
    store.set_all_ages(40 * DAY);
    store
}

#[test]
fn prints_one_line_for_each_file_and_one_for_the_store() {
    let store = old_image();
    let finished = store.prune(&["--keep-days", "30"]).succeeds();
    let mut lines = finished.documents();
    drop(lines.pop());
    let layer = lines.iter().find(|line| line["kind"] == "layer");
    let layer = layer.expect("a layer");
    let digest = layer["digest"].as_str().expect("a digest");
    let path = format!("blobs/{}", digest.replace(':', "/"));
    assert_eq!(layer["file"], path);
    assert!(layer["bytes"].as_u64().expect("a number") > 3000);
    let last_used = layer["lastUsed"].as_str().expect("a time");
    assert!(
        last_used.ends_with('Z') && last_used.len() == 20,
        "{last_used}"
    );
    let result = result(&finished);
    let kinds = result["removed"]["kinds"].as_object().expect("kinds");
    let files: u64 = kinds
        .values()
        .map(|count| count["files"].as_u64().expect("a number"))
        .sum();
    assert_eq!(result["removed"]["files"], files);
    assert_eq!(kinds["layer"]["files"], 1);
    assert_eq!(result["store"], store.path().display().to_string());
    finished.says("removed");
}

#[test]
fn prints_a_summary_as_text() {
    let store = old_image();
    let text = ["--keep-days", "30", "--format", "text"];
    let dry = store.tool().args(text).arg("--dry-run").run().succeeds();
    assert!(
        dry.text().contains("would remove 1 layer, "),
        "{}",
        dry.text()
    );
    let finished = store.prune(&text).succeeds();
    assert!(
        finished.text().contains("removed 1 layer, "),
        "{}",
        finished.text()
    );
    assert!(
        finished.text().contains("kept 0 files, "),
        "{}",
        finished.text()
    );
    let again = store.prune(&text).succeeds();
    assert!(again.text().contains("removed nothing"), "{}", again.text());
}

/// H8: stdout is full or closed.
#[test]
fn fails_when_standard_output_is_full_or_closed() {
    let store = old_image();
    let mut command = store.tool().args(["--keep-days", "30"]).into_command();
    let full = File::create("/dev/full").expect("/dev/full");
    let status = command.stdout(full).stderr(Stdio::null()).status();
    assert_eq!(status.expect("the tool").code(), Some(74));
    let store = old_image();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = store.tool().args(["--keep-days", "30"]).into_command();
    let output = command.stdout(writer).stderr(Stdio::piped()).output();
    let output = output.expect("the tool");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// The main options fit a screen, and the rest has its variables.
#[test]
fn short_help_fits_a_screen() {
    let store = Store::new();
    let short = store.prune(&["-h"]).succeeds();
    assert!(short.text().lines().count() <= 24, "{}", short.text());
    let widest = short.text().lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{}", short.text());
    for text in ["--keep-days", "--max-size", "--dry-run", "Examples:"] {
        assert!(short.text().contains(text), "{}", short.text());
    }
    let long = store.prune(&["--help"]).succeeds();
    for text in ["--min-age", "SOCI_KEEP_DAYS", "SOCI_MIN_AGE"] {
        assert!(long.text().contains(text), "{}", long.text());
    }
}
