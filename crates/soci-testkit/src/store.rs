//! Checks of the files of a store or another OCI image layout.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    canary::assert_hidden,
    image,
    process::{Finished, Sandbox},
};

/// Returns the file of a blob in a layout.
#[track_caller]
pub fn blob_file(layout: &Path, digest: &Value) -> PathBuf {
    let digest = digest.as_str().expect("a digest");
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// Reads a JSON blob of a layout.
#[track_caller]
pub fn blob_json(layout: &Path, digest: &Value) -> Value {
    let path = blob_file(layout, digest);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Returns all files below a folder. A folder that does not exist has none.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Asserts that the output of tools, and the files of the sandbox's store, contain no secret.
#[track_caller]
pub fn assert_no_secret(sandbox: &Sandbox, finished: &[&Finished]) {
    for finished in finished {
        assert_hidden("stderr", finished.stderr.as_bytes());
        assert_hidden("stdout", &finished.stdout);
    }
    for file in files_below(&sandbox.store()) {
        let content = fs::read(&file).expect("a readable file");
        assert_hidden(&file.display().to_string(), &content);
    }
}

/// Asserts that a layout holds no unfinished file and no secret, and that every blob has the digest
/// in its name.
#[track_caller]
pub fn assert_sound(layout: &Path) {
    let blobs = layout.join("blobs");
    for file in files_below(layout) {
        let name = file.file_name().expect("a file").to_string_lossy();
        let left_behind = name.starts_with('.');
        assert!(!left_behind, "{} was left behind", file.display());
        let bytes = fs::read(&file).expect("a readable file");
        assert_hidden(&file.display().to_string(), &bytes);
        if let Ok(blob) = file.strip_prefix(&blobs) {
            let digest = blob.display().to_string().replace('/', ":");
            assert!(image::has_digest(&bytes, &digest), "{digest}");
        }
    }
}

/// Returns how many ztocs are in the cache of the sandbox's store.
pub fn cached_ztocs(sandbox: &Sandbox) -> usize {
    files_below(&sandbox.store().join("ztocs")).len()
}
