//! What the reference made of the golden images passes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use soci_testkit::{golden, process::Sandbox};

use crate::{soci_tool, text};

/// Returns the runs of the reference that made something, by the folder of the image.
fn runs(images: &Path, kind: &str) -> Vec<(std::path::PathBuf, Value)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(images).expect("the images") {
        let folder = entry.expect("a readable folder").path();
        let image = fs::read(folder.join("image.json")).expect("image.json");
        let image: Value = serde_json::from_slice(&image).expect("JSON");
        for run in image["runs"].as_array().expect("runs") {
            if run["kind"] == kind && run["dir"].is_string() {
                found.push((folder.clone(), run.clone()));
            }
        }
    }
    assert!(found.len() > 15, "{} runs", found.len());
    found
}

#[test]
fn converted_images_of_the_reference_pass() {
    let sandbox = Sandbox::new();
    let images = golden::unpack_images(sandbox.path());
    let runs = runs(&images, "v2");
    let layout = |(folder, run): &(std::path::PathBuf, Value)| {
        format!("oci:{}", folder.join(text(&run["dir"])).display())
    };
    let finished = soci_tool(&sandbox).args(runs.iter().map(layout)).run();
    let documents = finished.succeeds().documents();
    assert_eq!(documents.len(), runs.len());
    for (document, (_, run)) in documents.iter().zip(&runs) {
        let check = &document["check"];
        let listed = check["manifests"].as_array().expect("manifests").iter();
        let indexes = listed
            .filter_map(|manifest| manifest["indexes"].as_array())
            .flatten();
        let found: Vec<&Value> = indexes.map(|index| &index["digest"]).collect();
        for index in run["soci_indexes"].as_array().expect("SOCI indexes") {
            assert!(found.contains(&&index["digest"]), "{document}");
        }
        assert!(
            check["layers"]["lazy"].as_u64().expect("a number") > 0,
            "{document}"
        );
    }
}

#[test]
fn indexes_of_version_1_of_the_reference_pass() {
    let sandbox = Sandbox::new();
    let images = golden::unpack_images(sandbox.path());
    let mut references = Vec::new();
    for (number, (folder, run)) in runs(&images, "v1").iter().enumerate() {
        let layout = sandbox.path().join(format!("layout-{number}"));
        let dir = folder.join(text(&run["dir"]));
        let Some(root) = write_layout(&layout, &folder.join("layout"), &dir) else {
            continue;
        };
        references.push((format!("oci:{}@{root}", layout.display()), run.clone()));
    }
    let arguments = references.iter().map(|(reference, _)| reference.clone());
    let finished = soci_tool(&sandbox).args(arguments).run();
    let documents = finished.succeeds().documents();
    for (document, (_, run)) in documents.iter().zip(&references) {
        let listed = document["check"]["manifests"].to_string();
        assert!(
            listed.contains(text(&run["index_digest"])),
            "{run} {document}"
        );
    }
}

/// Writes a layout of an image with a SOCI index, which its `index.json` lists as a referrer.
/// Returns the digest of the image, or `None` if the layout is not one image.
fn write_layout(layout: &Path, image: &Path, run: &Path) -> Option<String> {
    let target = layout.join("blobs/sha256");
    fs::create_dir_all(&target).expect("a folder");
    for folder in [image, run] {
        for file in fs::read_dir(folder.join("blobs/sha256")).expect("blobs") {
            let file = file.expect("a readable folder");
            fs::copy(file.path(), target.join(file.file_name())).expect("a blob");
        }
    }
    let soci_index = fs::read(run.join("soci-index.json")).expect("a SOCI index");
    let digest = soci_testkit::image::digest(&soci_index);
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    fs::write(path, &soci_index).expect("a blob");
    let empty = soci_testkit::image::digest(b"{}");
    fs::write(layout.join("blobs").join(empty.replace(':', "/")), "{}").expect("a blob");
    let marker = fs::read(image.join("oci-layout")).expect("a layout");
    fs::write(layout.join("oci-layout"), marker).expect("a layout");
    let index = fs::read(image.join("index.json")).expect("a layout");
    let mut index: Value = serde_json::from_slice(&index).expect("JSON");
    let entries = index["manifests"].as_array_mut().expect("manifests");
    let [root] = &entries[..] else {
        return None;
    };
    let root = text(&root["digest"]).to_owned();
    entries.push(
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest, "size": soci_index.len(),
        "artifactType": "application/vnd.amazon.soci.index.v1+json"}),
    );
    fs::write(layout.join("index.json"), index.to_string()).expect("a layout");
    Some(root)
}
