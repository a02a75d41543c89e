//! A consumer of our own: it reads random ranges and files of layers through their ztocs, fetching
//! only spans from a registry, and compares them with the tar.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use soci_testkit::{
    image::{self, Image, Layer},
    process::Sandbox,
    registry::Registry,
};
use soci_ztoc::extract::{LayerReader, ReadRange};
use soci_ztoc::{EntryType, Ztoc};

use crate::read_back::{BlobSource as _, Repository, array};
use crate::stages::{Stages, stage};

/// How many ranges and files are read of each layer.
const READS: usize = 1000;

/// About how many bytes of files a layer has.
const LAYER_SIZE: u64 = 12 << 20;

/// Reads ranges of a blob from a registry.
struct RegistryRanges<'a> {
    registry: &'a Registry,
    path: String,
    fetched: u64,
}

impl ReadRange for RegistryRanges<'_> {
    type Error = String;

    fn read_range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, String> {
        let range = format!("Range: bytes={start}-{}", end - 1);
        let answer = self.registry.get(&self.path, &[&range]);
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 206 {
            return Err(format!("status {}", answer.status));
        }
        self.fetched += answer.body.len() as u64;
        Ok(answer.body)
    }
}

/// Returns the tar of files of this machine: programs and documents, with links and directories.
fn tar_of(folder: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder of the system");
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        for path in paths {
            let kind = fs::symlink_metadata(&path).expect("a file");
            if tar.get_ref().len() as u64 + kind.len() > LAYER_SIZE
                || !kind.is_file() && !kind.is_symlink() && !kind.is_dir()
            {
                continue;
            }
            let name = path.strip_prefix("/").expect("an absolute path");
            if kind.is_dir() {
                folders.push(path.clone());
            }
            tar.append_path_with_name(&path, name)
                .expect("a readable file");
        }
    }
    tar.into_inner().expect("a buffer")
}

/// Compresses a tar into one gzip member for each part of this length.
fn gzip(tar: &[u8], level: Compression, part: usize) -> Vec<u8> {
    let mut layer = Vec::new();
    for part in tar.chunks(part) {
        let mut encoder = GzEncoder::new(&mut layer, level);
        encoder.write_all(part).expect("a buffer");
        encoder.finish().expect("a buffer");
    }
    layer
}

/// Returns the layers, each with its tar: one and several gzip members, and a plain tar.
fn layers() -> Vec<(Vec<u8>, Layer)> {
    let programs = tar_of("/usr/bin");
    let documents = tar_of("/usr/share/doc");
    let one_member = gzip(&programs, Compression::default(), usize::MAX);
    let members = gzip(&documents, Compression::fast(), 700_000);
    vec![
        (programs.clone(), Layer::from_bytes(one_member)),
        (documents, Layer::from_bytes(members)),
        (programs.clone(), Layer::from_bytes(programs).labelled_tar()),
    ]
}

/// Builds and pushes the index of an image with these layers, and returns the layers of the
/// document.
fn publish(sandbox: &Sandbox, registry: &Registry, layers: &[(Vec<u8>, Layer)]) -> Vec<Value> {
    let image = Image::new("linux/amd64");
    let image = layers
        .iter()
        .fold(image, |image, (_, layer)| image.layer(layer.clone()));
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, &[image]);
    registry.push(Path::new(&folder), "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    let stages = Stages::of(sandbox, &[reference]).plan(&["--span-size", "512KiB"]);
    let document = stages.run().succeeds_for_one();
    array(&document["manifests"][0]["layers"]).to_vec()
}

#[test]
fn random_ranges_and_files_of_real_layers_equal_the_tar() {
    let layers = layers();
    for registry in [Registry::distribution(), Registry::olareg()] {
        let sandbox = Sandbox::new();
        let published = publish(&sandbox, &registry, &layers);
        for ((tar, _), published) in layers.iter().zip(&published) {
            check_layer(&registry, tar, published);
        }
        let reference = format!("{}/app:v1-soci", registry.host());
        let checked = stage(&sandbox, "soci-check")
            .arg(&reference)
            .run()
            .succeeds();
        let check = &checked.documents()[0]["check"];
        assert_eq!(check["proved"]["ztocs"], layers.len(), "{check}");
    }
}

/// Reads ranges and files of a layer, and compares them with its tar.
fn check_layer(registry: &Registry, tar: &[u8], published: &Value) {
    let repository = Repository {
        registry,
        name: "app",
    };
    let ztoc = Ztoc::decode(&repository.bytes(&published["ztoc"])).expect("a ztoc");
    let digest = published["descriptor"]["digest"]
        .as_str()
        .expect("a digest");
    let ranges = RegistryRanges {
        registry,
        path: format!("/v2/app/blobs/{digest}"),
        fetched: 0,
    };
    let mut reader = LayerReader::new(&ztoc, ranges).expect("consistent spans");
    assert!(reader.spans().len() > 5, "{} spans", reader.spans().len());
    let mut random = fastrand::Rng::with_seed(13);
    let size = usize::try_from(ztoc.uncompressed_archive_size).expect("small");
    let files: Vec<usize> = (0..ztoc.toc.len())
        .filter(|&index| ztoc.toc[index].entry_type == EntryType::Regular)
        .collect();
    assert!(files.len() > 20, "{} files", files.len());
    for _ in 0..READS / 2 {
        let start = random.usize(..size);
        let end = size.min(start + random.usize(..200_000));
        let found = reader
            .read_bytes(start as u64, end as u64)
            .expect("a range");
        assert!(found == tar[start..end], "bytes {start} to {end}");
        let file = files[random.usize(..files.len())];
        let entry = &ztoc.toc[file];
        let start = usize::try_from(entry.uncompressed_offset).expect("small");
        let length = usize::try_from(entry.uncompressed_size).expect("small");
        let found = reader.read_entry(file).expect("a file");
        assert!(found == tar[start..start + length], "entry {file}");
    }
}
