//! The recorded output of the reference implementation, from `tests/goldens.tar.gz`.
//!
//! A layer case is a folder with the input (`layer`), and its arguments and outcome (`case.json`).
//! If the reference made a ztoc, the folder also has its bytes (`ztoc`) and two readable views of
//! them (`toc.json`, `spans.json`). Image cases are below `images/`. `reference.json` names the
//! version of the reference.
//!
//! The functions panic if a file is missing, and name it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

/// The archive, relative to this crate.
const ARCHIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/goldens.tar.gz");

/// The folder of image cases.
const IMAGES: &str = "images";

/// A layer and the output of the reference for it.
#[derive(Clone, Copy, Debug)]
pub struct LayerCase {
    /// The name of the case.
    pub name: &'static str,
    /// The content of `case.json`.
    pub case: &'static Value,
    /// The bytes of the layer.
    pub layer: &'static [u8],
    /// The bytes of the ztoc, if the reference made one.
    pub ztoc: Option<&'static [u8]>,
    /// The content of `toc.json`: one object for each entry of the table of contents.
    pub toc: Option<&'static Value>,
    /// The content of `spans.json`: one object for each span.
    pub spans: Option<&'static Value>,
}

/// The outcome of the reference for a layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// It failed, for this kind of reason.
    Error(&'static str),
    /// It left the layer out of the index, for this kind of reason.
    Skip(&'static str),
    /// It made a ztoc.
    Ztoc,
}

impl LayerCase {
    /// Returns the layer's media type.
    pub fn media_type(&self) -> &'static str {
        self.text("media_type")
    }

    /// Returns the span size in bytes.
    pub fn span_size(&self) -> u64 {
        self.number("span_size")
    }

    /// Returns the minimum layer size in bytes. Smaller layers were skipped.
    pub fn min_layer_size(&self) -> u64 {
        self.case["min_layer_size"].as_u64().unwrap_or(0)
    }

    /// Returns the outcome of the reference.
    ///
    /// # Panics
    ///
    /// Panics for an unknown outcome.
    pub fn expect(&self) -> Expect {
        match self.text("expect") {
            "ztoc" => Expect::Ztoc,
            "error" => Expect::Error(self.text("error_kind")),
            "skip" => Expect::Skip(self.text("error_kind")),
            other => panic!("golden `{}` expects `{other}`", self.name),
        }
    }

    /// Returns a string field of `case.json`.
    ///
    /// # Panics
    ///
    /// Panics if there is no such field.
    pub fn text(&self, field: &str) -> &'static str {
        let text = self.case[field].as_str();
        text.unwrap_or_else(|| panic!("golden `{}` has no text `{field}`", self.name))
    }

    /// Returns an integer field of `case.json`.
    ///
    /// # Panics
    ///
    /// Panics if there is no such field.
    pub fn number(&self, field: &str) -> u64 {
        let number = self.case[field].as_u64();
        number.unwrap_or_else(|| panic!("golden `{}` has no number `{field}`", self.name))
    }
}

/// Returns all layer cases, by name.
///
/// # Panics
///
/// Panics if the archive is missing or incomplete.
pub fn layers() -> Vec<LayerCase> {
    static CASES: OnceLock<Vec<LayerCase>> = OnceLock::new();
    CASES.get_or_init(load_layers).clone()
}

fn load_layers() -> Vec<LayerCase> {
    let archive = loaded_archive();
    let mut cases = Vec::new();
    for (path, bytes) in &archive.files {
        let Some(name) = path.strip_suffix("/case.json") else {
            continue;
        };
        if name.contains('/') {
            continue;
        }
        let file = |file: &str| archive.files.get(&format!("{name}/{file}"));
        let json = |name: &str| file(name).map(|bytes| parse_json(path, name, bytes));
        let layer = file("layer");
        cases.push(LayerCase {
            name,
            case: parse_json(path, "case.json", bytes),
            layer: layer.unwrap_or_else(|| panic!("golden `{name}` has no layer")),
            ztoc: file("ztoc").map(Vec::as_slice),
            toc: json("toc.json"),
            spans: json("spans.json"),
        });
    }
    assert!(!cases.is_empty(), "{ARCHIVE} holds no layer cases");
    cases
}

/// Returns one layer case.
///
/// # Panics
///
/// Panics if there is no such case.
pub fn layer(name: &str) -> LayerCase {
    let found = layers().into_iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("there is no golden `{name}`"))
}

/// Unpacks the image cases to `images/` below a folder, and returns the path of `images/`.
///
/// # Panics
///
/// Panics if a file cannot be written.
pub fn unpack_images(folder: &Path) -> PathBuf {
    unpack(folder, &format!("{IMAGES}/"));
    folder.join(IMAGES)
}

/// Unpacks the whole archive to a folder.
///
/// # Panics
///
/// Panics if a file cannot be written.
pub fn unpack_all(folder: &Path) {
    unpack(folder, "");
}

fn unpack(folder: &Path, prefix: &str) {
    let archive = loaded_archive();
    let wanted = |path: &&String| path.starts_with(prefix);
    for path in archive.folders.iter().filter(wanted) {
        create_folder(&folder.join(path));
    }
    for (path, bytes) in &archive.files {
        if !wanted(&path) {
            continue;
        }
        let target = folder.join(path);
        if let Some(parent) = target.parent() {
            create_folder(parent);
        }
        fs::write(&target, bytes).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
    }
}

fn create_folder(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The content of the archive, by paths without a slash at the start or end.
struct Archive {
    folders: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

fn loaded_archive() -> &'static Archive {
    static LOADED: OnceLock<Archive> = OnceLock::new();
    LOADED.get_or_init(|| load_archive().unwrap_or_else(|error| panic!("{ARCHIVE}: {error}")))
}

fn load_archive() -> std::io::Result<Archive> {
    let mut archive = Archive {
        folders: Vec::new(),
        files: BTreeMap::new(),
    };
    let bytes = fs::read(ARCHIVE)?;
    let mut reader = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
    for entry in reader.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        assert!(plain, "`{}` leads out of the archive", path.display());
        let path = path.to_string_lossy().trim_end_matches('/').to_owned();
        if entry.header().entry_type().is_dir() {
            archive.folders.push(path);
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        archive.files.insert(path, bytes);
    }
    Ok(archive)
}

/// Parses a file of a case. The result lives as long as the archive.
fn parse_json(case: &str, name: &str, bytes: &[u8]) -> &'static Value {
    let value = serde_json::from_slice(bytes);
    let value: Value = value.unwrap_or_else(|error| panic!("`{name}` of `{case}`: {error}"));
    Box::leak(Box::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_complete() {
        let cases = layers();
        let count = |wanted: fn(&Expect) -> bool| {
            cases.iter().filter(|case| wanted(&case.expect())).count()
        };
        assert_eq!(count(|expect| matches!(expect, Expect::Ztoc)), 180);
        assert_eq!(count(|expect| matches!(expect, Expect::Error(_))), 91);
        assert_eq!(count(|expect| matches!(expect, Expect::Skip(_))), 13);
        for case in &cases {
            let ztoc = case.expect() == Expect::Ztoc;
            assert_eq!(case.ztoc.is_some(), ztoc, "{}", case.name);
            assert_eq!(case.toc.is_some(), ztoc, "{}", case.name);
        }
    }

    #[test]
    fn images_unpack_to_their_own_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let images = unpack_images(folder.path());
        assert!(images.join("prefetch/image.json").is_file());
        assert!(images.join("single-arch/layout/index.json").is_file());
        assert!(!folder.path().join("gzip-9").exists());
    }
}
