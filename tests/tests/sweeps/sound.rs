//! What may lie in the folders of a tool after a fault.

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
    stage::{Files, Stage, Undisturbed, files},
};

/// Says what is wrong with the files that a fault leaves. What a killed tool had begun is made old, for the next one to sweep.
pub(crate) fn sound(
    sandbox: &Sandbox,
    fault: Fault,
    stage: &Stage,
    undisturbed: &Undisturbed,
) -> Result<(), String> {
    let before = stage.files_before();
    let found = files(sandbox.path());
    for (name, content) in &found {
        let expected = [before.get(name), undisturbed.files.get(name)];
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
                return Err(format!("`{}` is no state on the way", name.display()));
            }
            complete(name, content, &found, &undisturbed.files)?;
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

/// Says what is missing of the images that an `index.json` names.
///
/// A store need not have the layers: what is missing is what an undisturbed run leaves there.
fn complete(
    index: &Path,
    content: &[u8],
    found: &Files,
    undisturbed: &Files,
) -> Result<(), String> {
    let layout = index.parent().expect("a layout");
    let mut seen = BTreeSet::new();
    let mut open = digests(content);
    while let Some(digest) = open.pop() {
        let blob = layout.join("blobs").join(digest.replace(':', "/"));
        let Some(content) = undisturbed.get(&blob) else {
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

/// Returns what an index or a manifest names; other blobs name nothing.
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

/// Returns the entries of an `index.json`, which are made one after the other.
fn entries(text: &[u8]) -> Vec<Value> {
    let mut index: Value = serde_json::from_slice(text).expect("JSON");
    match index["manifests"].take() {
        Value::Array(entries) => entries,
        other => panic!("no list of manifests: {other}"),
    }
}

/// Dates a file back to where it counts as left behind.
#[expect(
    clippy::disallowed_methods,
    reason = "the age of files is told from now"
)]
fn make_old(path: &Path) {
    let file = File::options().write(true).open(path).expect("a file");
    let then = SystemTime::now() - Duration::from_hours(25);
    file.set_modified(then).expect("a file of ours");
}
