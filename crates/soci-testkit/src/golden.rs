//! What the reference made of each input, as recorded in `tests/goldens.tar.gz`.
//!
//! Layer cases are folders with the input (`layer`), its arguments and the outcome (`case.json`),
//! and on success the reference's bytes (`ztoc`) with two readable views of them (`toc.json`,
//! `spans.json`). Image cases lie below `images/`. `reference.json` names the reference.
//!
//! Whatever is wrong with the archive is a fault of the repository, so the functions here panic
//! and say what they were looking for.

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

/// One layer and what the reference made of it.
#[derive(Clone, Copy, Debug)]
pub struct LayerCase {
    /// Name of the case.
    pub name: &'static str,
    /// `case.json`.
    pub case: &'static Value,
    /// The bytes of the layer.
    pub layer: &'static [u8],
    /// The bytes of the ztoc, where the reference made one.
    pub ztoc: Option<&'static [u8]>,
    /// `toc.json`: one object per entry.
    pub toc: Option<&'static Value>,
    /// `spans.json`: one object per span.
    pub spans: Option<&'static Value>,
}

/// What the reference did with a layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expect {
    /// It failed; the word classifies why.
    Error(&'static str),
    /// It left the layer out of the index; the word says why.
    Skip(&'static str),
    /// It made a ztoc.
    Ztoc,
}

impl LayerCase {
    /// Returns the media type that the reference was told.
    pub fn media_type(&self) -> &'static str {
        self.text("media_type")
    }

    /// Returns the span size in bytes.
    pub fn span_size(&self) -> u64 {
        self.number("span_size")
    }

    /// Returns the size in bytes below which layers were skipped.
    pub fn min_layer_size(&self) -> u64 {
        self.case["min_layer_size"].as_u64().unwrap_or(0)
    }

    /// Returns what the reference did.
    ///
    /// # Panics
    ///
    /// For a word that no case uses.
    pub fn expect(&self) -> Expect {
        match self.text("expect") {
            "ztoc" => Expect::Ztoc,
            "error" => Expect::Error(self.text("error_kind")),
            "skip" => Expect::Skip(self.text("error_kind")),
            other => panic!("golden `{}` expects `{other}`", self.name),
        }
    }

    /// Returns a text of `case.json`.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn text(&self, field: &str) -> &'static str {
        let text = self.case[field].as_str();
        text.unwrap_or_else(|| panic!("golden `{}` has no text `{field}`", self.name))
    }

    /// Returns a number of `case.json`.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn number(&self, field: &str) -> u64 {
        let number = self.case[field].as_u64();
        number.unwrap_or_else(|| panic!("golden `{}` has no number `{field}`", self.name))
    }
}

/// Returns all layer cases, by name.
///
/// # Panics
///
/// Where the archive is missing or incomplete.
pub fn layers() -> Vec<LayerCase> {
    static CASES: OnceLock<Vec<LayerCase>> = OnceLock::new();
    CASES.get_or_init(load_layers).clone()
}

fn load_layers() -> Vec<LayerCase> {
    let archive = archive();
    let mut cases = Vec::new();
    for (path, bytes) in &archive.files {
        let Some(name) = path.strip_suffix("/case.json") else {
            continue;
        };
        if name.contains('/') {
            continue;
        }
        let file = |file: &str| archive.files.get(&format!("{name}/{file}"));
        let json = |name: &str| file(name).map(|bytes| leak_json(path, name, bytes));
        let layer = file("layer");
        cases.push(LayerCase {
            name,
            case: leak_json(path, "case.json", bytes),
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
/// Where there is no such case.
pub fn layer(name: &str) -> LayerCase {
    let found = layers().into_iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("there is no golden `{name}`"))
}

/// Writes the image cases to `images/` below a folder, and returns that folder.
///
/// # Panics
///
/// Where something cannot be written.
pub fn unpack_images(folder: &Path) -> PathBuf {
    unpack(folder, &format!("{IMAGES}/"));
    folder.join(IMAGES)
}

/// Writes the whole archive below a folder.
///
/// # Panics
///
/// Where something cannot be written.
pub fn unpack_all(folder: &Path) {
    unpack(folder, "");
}

fn unpack(folder: &Path, prefix: &str) {
    let archive = archive();
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

/// The archive's contents, by path without a slash in front or at the end.
struct Archive {
    folders: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
}

fn archive() -> &'static Archive {
    static LOADED: OnceLock<Archive> = OnceLock::new();
    LOADED.get_or_init(|| load().unwrap_or_else(|error| panic!("{ARCHIVE}: {error}")))
}

fn load() -> std::io::Result<Archive> {
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

/// Parses a file beside `case.json`; the result lives as long as the archive.
fn leak_json(case: &str, name: &str, bytes: &[u8]) -> &'static Value {
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
