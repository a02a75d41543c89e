//! The tars that the layers are made of.

use std::fs;
use std::io::Read as _;
use std::process::Command;

use flate2::read::MultiGzDecoder;
use soci_testkit::{golden, workspace};

use crate::oracle::generate;

/// The largest tar that is used, in bytes. A small one is compared as well, and faster.
const MAX_SIZE: usize = 64 << 10;

/// Returns tars that tar, bsdtar, Python and Go wrote, and the tars of the goldens. There are more
/// of them if more layers are compared.
pub(crate) fn base_archives(count: u64, seed: u64) -> Vec<Vec<u8>> {
    let mut archives: Vec<Vec<u8>> = golden::layers()
        .into_iter()
        .map(|case| inflate(case.layer))
        .collect();
    archives.extend(written_by_programs((count / 2000).clamp(2, 200), seed));
    archives.extend(generate(seed, (count / 20).clamp(100, 20_000)));
    archives.retain(|tar| !tar.is_empty() && tar.len() <= MAX_SIZE);
    archives
}

/// Returns a layer's tar, as far as it can be inflated.
fn inflate(layer: &[u8]) -> Vec<u8> {
    if !layer.starts_with(&[0x1f, 0x8b]) {
        return layer.to_vec();
    }
    let mut tar = Vec::new();
    let decoder = MultiGzDecoder::new(layer);
    let limit = MAX_SIZE as u64 + 1;
    // A damaged one is used as far as it goes.
    drop(decoder.take(limit).read_to_end(&mut tar));
    tar
}

/// Returns the tars that tar, bsdtar and Python write of `trees` random folders.
fn written_by_programs(trees: u64, seed: u64) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = workspace::root().join("tests/oracle/write-tars.py");
    let status = Command::new("python3")
        .arg(script)
        .arg(folder.path())
        .args([trees.to_string(), seed.to_string()])
        .status();
    assert!(
        status.expect("python3 runs").success(),
        "write-tars.py failed"
    );
    let mut paths: Vec<_> = fs::read_dir(folder.path())
        .expect("the folder of tars")
        .map(|entry| entry.expect("an entry of the folder").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("a tar"))
        .collect()
}
