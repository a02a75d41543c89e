//! The content of a registry, in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use serde_json::Value;

use crate::image;

/// The bytes of a blob or a manifest, which are sent without a copy.
pub(super) type Bytes = Arc<Vec<u8>>;

/// A manifest as it was pushed.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The `Content-Type` with which it was pushed.
    pub media_type: String,
    /// Its digest. It stays the same if a test corrupts the bytes.
    pub digest: String,
    pub(super) bytes: Bytes,
}

impl Manifest {
    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Parses the bytes.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }
}

/// A repository.
#[derive(Debug, Default)]
pub(super) struct Repository {
    pub(super) blobs: BTreeMap<String, Bytes>,
    pub(super) manifests: BTreeMap<String, Manifest>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Repository {
    /// Returns a manifest by tag or digest.
    pub(super) fn manifest(&self, reference: &str) -> Option<&Manifest> {
        let digest = self.tags.get(reference).map_or(reference, String::as_str);
        self.manifests.get(digest)
    }

    /// Adds a manifest, and returns its digest.
    pub(super) fn put_manifest(&mut self, media_type: &str, bytes: Vec<u8>) -> String {
        let digest = image::digest(&bytes);
        self.put_manifest_as(&digest, media_type, bytes);
        digest
    }

    /// Adds a manifest with a digest of any algorithm.
    pub(super) fn put_manifest_as(&mut self, digest: &str, media_type: &str, bytes: Vec<u8>) {
        let manifest = Manifest {
            media_type: media_type.to_owned(),
            digest: digest.to_owned(),
            bytes: Arc::new(bytes),
        };
        self.manifests.insert(digest.to_owned(), manifest);
    }

    /// Adds the content of a descriptor from a layout, and everything that it refers to. Missing
    /// blobs are skipped.
    fn add_from_layout(&mut self, layout: &Path, descriptor: &Value) {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let path = layout.join("blobs").join(digest.replace(':', "/"));
        let Ok(bytes) = fs::read(path) else { return };
        let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
        if !is_manifest(media_type) {
            self.blobs.insert(digest.to_owned(), Arc::new(bytes));
            return;
        }
        let manifest: Value = serde_json::from_slice(&bytes).expect("a manifest");
        self.put_manifest_as(digest, media_type, bytes);
        for descriptor in descriptors(&manifest) {
            self.add_from_layout(layout, descriptor);
        }
    }
}

fn is_manifest(media_type: &str) -> bool {
    ["manifest.v", "index.v", "manifest.list.v"]
        .iter()
        .any(|kind| media_type.contains(kind))
}

/// Returns the descriptors in a manifest or an index, except its subject.
pub(super) fn descriptors(manifest: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["layers", "manifests"].into_iter();
    let listed = lists
        .filter_map(|field| manifest[field].as_array())
        .flatten();
    manifest.get("config").into_iter().chain(listed)
}

/// An open upload session.
#[derive(Debug, Default)]
pub(super) struct Upload {
    pub(super) repository: String,
    pub(super) bytes: Vec<u8>,
    /// Whether a connection broke during a request of this session.
    pub(super) broken: bool,
}

/// All repositories, and the open upload sessions.
#[derive(Debug, Default)]
pub(super) struct Storage {
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) uploads: BTreeMap<String, Upload>,
    uploads_begun: usize,
}

impl Storage {
    /// Opens an upload session, and returns its id.
    pub(super) fn begin_upload(&mut self, repository: &str) -> String {
        self.uploads_begun += 1;
        let id = format!("session-{}", self.uploads_begun);
        let upload = Upload {
            repository: repository.to_owned(),
            ..Upload::default()
        };
        self.uploads.insert(id.clone(), upload);
        id
    }

    /// Returns a repository, which is created if it does not exist.
    pub(super) fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    /// Adds the image of an OCI layout.
    pub(super) fn add_layout(&mut self, layout: &Path, name: &str, tag: &str) {
        let index = fs::read(layout.join("index.json")).expect("an OCI layout");
        let index: Value = serde_json::from_slice(&index).expect("an index");
        let root = &index["manifests"][0];
        let repository = self.repository(name);
        repository.add_from_layout(layout, root);
        let digest = root["digest"].as_str().expect("a digest").to_owned();
        repository.tags.insert(tag.to_owned(), digest);
    }

    /// Returns a blob, from whichever repository has it.
    pub(super) fn blob(&self, digest: &str) -> Option<&Bytes> {
        let mut repositories = self.repositories.values();
        repositories.find_map(|repository| repository.blobs.get(digest))
    }

    /// Returns the digests of all blobs and manifests.
    pub(super) fn digests(&self) -> BTreeSet<String> {
        let repositories = self.repositories.values();
        repositories
            .flat_map(|repository| repository.blobs.keys().chain(repository.manifests.keys()))
            .cloned()
            .collect()
    }

    /// Changes the bytes of a blob or a manifest in all repositories. It keeps its digest.
    pub(super) fn corrupt(&mut self, digest: &str, change: impl Fn(&mut Vec<u8>)) {
        for repository in self.repositories.values_mut() {
            if let Some(bytes) = repository.blobs.get_mut(digest) {
                change(Arc::make_mut(bytes));
            }
            if let Some(manifest) = repository.manifests.get_mut(digest) {
                change(Arc::make_mut(&mut manifest.bytes));
            }
        }
    }

    /// Removes a blob, or a manifest and its tags, from all repositories.
    pub(super) fn remove(&mut self, digest: &str) {
        for repository in self.repositories.values_mut() {
            repository.blobs.remove(digest);
            repository.manifests.remove(digest);
            repository.tags.retain(|_, tagged| tagged != digest);
        }
    }
}
