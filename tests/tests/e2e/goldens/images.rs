//! Whole images: the SOCI index and the converted image, byte for byte.

use std::{fs, path::PathBuf};

use serde_json::Value;
use soci_testkit::{golden, process::Sandbox};

use super::{Outcome, assert_differences, find_misses, index};
use crate::read_back::{array, text};

/// The cases in which the result of the reference is harmful.
const DIFFERENT: &[(&str, &str)] = &[
    ("images/already-converted:v1", "another index"),
    ("images/artifact-in-index:v2", "another converted image"),
    ("images/attestations:v2", "another converted image"),
    ("images/attestations:v2-arm64", "another converted image"),
    ("images/corrupt-layer:v1", "skipped as unreadable"),
    ("images/corrupt-layer:v2", "skipped as unreadable"),
    ("images/encrypted-gzip-layer:v1", "skipped as encrypted"),
    ("images/encrypted-gzip-layer:v2", "skipped as encrypted"),
    ("images/multi-arch-one-left:v2-default", "exit status 81"),
];

/// One run of the reference over an image.
struct Case {
    name: String,
    run: Value,
    layout: PathBuf,
}

#[test]
fn images_give_the_golden_indexes() {
    let folder = Sandbox::new();
    let cases = cases(&folder);
    let found = find_misses(&cases, |case| (case.name.clone(), check(case)));
    assert_differences(&found, DIFFERENT);
}

fn cases(folder: &Sandbox) -> Vec<Case> {
    let images = golden::unpack_images(folder.path());
    let mut cases = Vec::new();
    for entry in fs::read_dir(images).expect("the images") {
        let folder = entry.expect("a readable folder").path();
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let image: Value =
            serde_json::from_slice(&fs::read(folder.join("image.json")).expect("image.json"))
                .expect("JSON");
        cases.extend(array(&image["runs"]).iter().map(|run| Case {
            name: format!("images/{name}:{}", text(&run["id"])),
            run: run.clone(),
            layout: folder.join("layout"),
        }));
    }
    assert!(cases.len() > 60, "{} cases", cases.len());
    cases
}

/// Checks a case; an error describes the difference.
fn check(case: &Case) -> Result<(), String> {
    let index_json = fs::read(case.layout.join("index.json")).expect("index.json");
    let index_json: Value = serde_json::from_slice(&index_json).expect("JSON");
    let roots = array(&index_json["manifests"]);
    let mut reference = format!("oci:{}", case.layout.display());
    if let [root] = roots {
        reference = format!("{reference}@{}", text(&root["digest"]));
    }
    let outcome = index(&Sandbox::new(), &reference, &plan(&case.run, roots));
    match (text(&case.run["expect"]), &outcome) {
        (_, Outcome::Failed(70 | 101 | 128.., said)) => Err(format!("crashed: {said}")),
        ("error", _) => refused(&case.run, &outcome),
        (_, Outcome::Failed(code, said)) => Err(format!("exit status {code}: {said}")),
        (_, Outcome::Indexed(document)) => compare_with_reference(&case.run, document),
    }
}

/// Returns the options that correspond to those of the reference.
fn plan(run: &Value, roots: &[Value]) -> Vec<String> {
    let mut plan = vec!["--index-version".to_owned(), text(&run["kind"]).to_owned()];
    for (option, field) in [
        ("--min-layer-size", "min_layer_size"),
        ("--span-size", "span_size"),
    ] {
        plan.extend([option.to_owned(), run[field].to_string()]);
    }
    let platforms = array(&run["platforms"]);
    let is_index = |root: &Value| {
        let media_type = root["mediaType"].as_str().unwrap_or_default();
        media_type.contains("list") || media_type.contains("index")
    };
    let single = matches!(roots, [root] if !is_index(root));
    // The reference indexes a single manifest in version 1 for every platform, and in version 2 if
    // none is asked for.
    if run["all_platforms"] == true || (single && platforms.is_empty()) {
        plan.push("--all-platforms".to_owned());
    } else if platforms.is_empty() {
        let platform = run["platform"].as_str().unwrap_or("linux/amd64");
        plan.extend(["--platform".to_owned(), platform.to_owned()]);
    }
    for platform in platforms {
        plan.extend(["--platform".to_owned(), text(platform).to_owned()]);
    }
    if array(&run["optimizations"])
        .iter()
        .any(|name| name == "xattr")
    {
        plan.push("--xattr-optimization".to_owned());
    }
    for file in array(&run["prefetch_files"]) {
        plan.extend(["--prefetch-file".to_owned(), text(file).to_owned()]);
    }
    plan
}

/// Checks that a run that the reference fails on fails with the right class. If the reference fails
/// for a reason of its own, any result except a crash is acceptable.
fn refused(run: &Value, outcome: &Outcome) -> Result<(), String> {
    let expected = match text(&run["error_kind"]) {
        "platform_not_found" => 81,
        "gzip_data_error" => 65,
        "empty_index" => return without_index(run, outcome),
        _ => return Ok(()),
    };
    match outcome {
        Outcome::Failed(code, _) if *code == expected => Ok(()),
        Outcome::Failed(code, said) => {
            Err(format!("exit status {code}, expected {expected}: {said}"))
        }
        Outcome::Indexed(document) => Err(skip_reason(document, "encrypted")
            .or_else(|| skip_reason(document, "unreadable"))
            .map_or_else(
                || format!("not refused: {document}"),
                |reason| format!("skipped as {reason}"),
            )),
    }
}

/// Returns `reason` if a layer was skipped for it, in the plan or while it was indexed.
fn skip_reason<'a>(document: &Value, reason: &'a str) -> Option<&'a str> {
    let entries = array(&document["manifests"]).iter();
    let mut layers = entries.flat_map(|entry| array(&entry["layers"]));
    let is_skipped = |layer: &Value| {
        let reasons = [&layer["plan"]["reason"], &layer["skipped"]];
        layer["ztoc"].is_null() && reasons.iter().any(|found| **found == reason)
    };
    layers.any(is_skipped).then_some(reason)
}

fn without_index(run: &Value, outcome: &Outcome) -> Result<(), String> {
    let Outcome::Indexed(document) = outcome else {
        return Err("an image without layers to index must not fail".to_owned());
    };
    let entries = array(&document["manifests"]).iter();
    match entries
        .map(|entry| &entry["index"][text(&run["kind"])])
        .find(|index| !index.is_null())
    {
        Some(index) => Err(format!("an index: {index}")),
        None => Ok(()),
    }
}

/// Checks that a document names what the reference made.
fn compare_with_reference(run: &Value, document: &Value) -> Result<(), String> {
    let entries = array(&document["manifests"]);
    let (found, held) = if run["kind"] == "v1" {
        let indexes: Vec<&Value> = entries
            .iter()
            .map(|entry| &entry["index"]["v1"]["digest"])
            .collect();
        (
            format!("another index: {indexes:?}"),
            indexes.contains(&&run["index_digest"]),
        )
    } else {
        let converted = &document["converted"]["digest"];
        (
            format!("another converted image: {converted}"),
            *converted == run["root_digest"],
        )
    };
    if held { Ok(()) } else { Err(found) }
}
