//! The check of the files that a tool leaves after a fault.

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::Value;
use soci_testkit::{image, process::Sandbox};

use crate::{
    fault::Fault,
    stage::{Baseline, Files, Stage, files},
};

/// Checks the files of the sandbox after a fault. Returns a description of the first wrong one.
///
/// The unfinished files of a killed tool get an old modification time, so that the next run removes
/// them.
pub(crate) fn check_files(
    sandbox: &Sandbox,
    fault: Fault,
    stage: &Stage,
    baseline: &Baseline,
) -> Result<(), String> {
    let before = stage.files_before();
    let found = files(sandbox.path());
    for (name, content) in &found {
        let expected = [before.get(name), baseline.files.get(name)];
        let is_blob = name.iter().any(|part| part == "sha256");
        let hex = name.file_name().unwrap_or_default().to_string_lossy();
        if is_unfinished(name) {
            if fault != Fault::Kill {
                return Err(format!("`{}` is left behind", name.display()));
            }
            make_old(&sandbox.path().join(name));
        } else if is_blob && image::digest(content) != format!("sha256:{hex}") {
            return Err(format!("blob `{hex}` is damaged"));
        } else if name.ends_with("index.json") {
            let [old, new] = expected.map(|content| content.map_or(vec![], |text| entries(text)));
            let entries = entries(content);
            if !(entries.starts_with(&old) && new.starts_with(&entries)) {
                return Err(format!(
                    "`{}` is not an intermediate state of this run",
                    name.display()
                ));
            }
            check_images(name, content, &found, &baseline.files)?;
        } else if !expected.contains(&Some(content)) {
            return Err(format!("`{}` is neither old nor new", name.display()));
        }
    }
    let lost: Vec<&PathBuf> = before
        .keys()
        .filter(|name| !sandbox.path().join(name).exists())
        .collect();
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("{lost:?} are lost"))
    }
}

pub(crate) fn is_unfinished(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(".unfinished-"))
}

/// Checks that all content is there to which an `index.json` refers, directly or not.
///
/// Content that the baseline does not store either, such as layers, is not needed.
fn check_images(
    index: &Path,
    content: &[u8],
    found: &Files,
    baseline: &Files,
) -> Result<(), String> {
    let layout = index.parent().expect("a layout");
    let mut seen = BTreeSet::new();
    let mut open = digests(content);
    while let Some(digest) = open.pop() {
        let blob = layout.join("blobs").join(digest.replace(':', "/"));
        let Some(content) = baseline.get(&blob) else {
            continue;
        };
        if !found.contains_key(&blob) {
            return Err(format!(
                "`{}` leads to `{digest}`, which is not there",
                index.display()
            ));
        }
        if seen.insert(digest) {
            open.extend(digests(content));
        }
    }
    Ok(())
}

/// Returns the digests to which an index or a manifest refers. Other blobs refer to none.
fn digests(content: &[u8]) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(content).unwrap_or_default();
    let lists = ["manifests", "layers"].map(|list| manifest[list].as_array());
    let listed = lists.into_iter().flatten().flatten();
    let descriptors = listed.chain([&manifest["config"]]);
    descriptors
        .filter_map(|descriptor| descriptor["digest"].as_str())
        .map(str::to_owned)
        .collect()
}

/// Returns the entries of an `index.json` in the order in which they were added.
fn entries(text: &[u8]) -> Vec<Value> {
    let mut index: Value = serde_json::from_slice(text).expect("JSON");
    match index["manifests"].take() {
        Value::Array(entries) => entries,
        other => panic!("no list of manifests: {other}"),
    }
}

/// Sets the modification time of a file to 25 hours ago. Tools remove unfinished files after 24
/// hours.
#[expect(
    clippy::disallowed_methods,
    reason = "the age of a file depends on the current time"
)]
fn make_old(path: &Path) {
    let file = File::options().write(true).open(path).expect("a file");
    let then = SystemTime::now() - Duration::from_hours(25);
    file.set_modified(then).expect("a writable file");
}
