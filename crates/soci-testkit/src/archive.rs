//! Archives of images: tars whose members are files and links.

use std::{fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::store::{blob_json, files_below};

/// A member of a tar.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its path.
    pub name: String,
    /// What it is.
    pub content: Content,
}

/// What a member of a tar is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file with these bytes.
    File(Vec<u8>),
    /// A hard link to another member.
    Hardlink(String),
    /// A symbolic link with this text.
    Symlink(String),
}

impl Member {
    /// Returns a file.
    pub fn file(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let (name, content) = (name.into(), Content::File(bytes.into()));
        Self { name, content }
    }

    /// Returns a hard link.
    pub fn hardlink(name: impl Into<String>, target: impl Into<String>) -> Self {
        let (name, content) = (name.into(), Content::Hardlink(target.into()));
        Self { name, content }
    }

    /// Returns a symbolic link.
    pub fn symlink(name: impl Into<String>, target: impl Into<String>) -> Self {
        let (name, content) = (name.into(), Content::Symlink(target.into()));
        Self { name, content }
    }
}

/// Returns a tar.
pub fn tar(members: &[Member]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for Member { name, content } in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        let added = match content {
            Content::File(bytes) => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, name, bytes.as_slice())
            }
            Content::Hardlink(target) => {
                header.set_entry_type(tar::EntryType::Link);
                builder.append_link(&mut header, name, target)
            }
            Content::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, name, target)
            }
        };
        added.expect("a buffer");
    }
    builder.into_inner().expect("a buffer")
}

/// Returns the header of a member of the type `typeflag`, which says that it has `size` bytes.
pub fn header(name: &str, typeflag: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).expect("a short name");
    header.set_entry_type(tar::EntryType::new(typeflag));
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Returns these bytes as a gzip file.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a buffer");
    encoder.finish().expect("a buffer")
}

/// Returns the files of a layout as the members of an archive.
pub fn layout_members(layout: &Path) -> Vec<Member> {
    let files = files_below(layout).into_iter().map(|file| {
        let name = file.strip_prefix(layout).expect("a file of the layout");
        let bytes = fs::read(&file).expect("a file");
        Member::file(name.to_str().expect("text"), bytes)
    });
    files.collect()
}

/// An image in an archive of Docker.
#[derive(Clone, Debug)]
pub struct DockerImage {
    /// The entry in `manifest.json`.
    pub entry: Value,
    /// The configuration and the layers.
    pub members: Vec<Member>,
}

impl DockerImage {
    /// Returns the image of the manifest `manifest` in a layout, with the names `repo_tags`. The
    /// layers are at the paths that `layer_path` returns for their hexadecimal digests.
    pub fn of(
        layout: &Path,
        manifest: &Value,
        repo_tags: &[&str],
        layer_path: impl Fn(&str) -> String,
    ) -> Self {
        let manifest = blob_json(layout, &manifest["digest"]);
        let read = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().expect("a digest");
            let hex = digest.trim_start_matches("sha256:").to_owned();
            let bytes = fs::read(layout.join("blobs/sha256").join(&hex)).expect("a blob");
            (hex, bytes)
        };
        let (hex, bytes) = read(&manifest["config"]);
        let config = format!("{hex}.json");
        let mut members = vec![Member::file(&config, bytes)];
        let layers = manifest["layers"].as_array().expect("layers").iter();
        let layers: Vec<String> = layers
            .map(|layer| {
                let (hex, bytes) = read(layer);
                let path = layer_path(&hex);
                members.push(Member::file(&path, bytes));
                path
            })
            .collect();
        let entry = json!({"Config": config, "RepoTags": repo_tags, "Layers": layers});
        Self { entry, members }
    }
}

/// Returns the members of an archive of these images.
pub fn docker_members(images: &[DockerImage]) -> Vec<Member> {
    let entries: Vec<&Value> = images.iter().map(|image| &image.entry).collect();
    let list = Member::file("manifest.json", json!(entries).to_string());
    let members = images.iter().flat_map(|image| image.members.clone());
    members.chain([list]).collect()
}
