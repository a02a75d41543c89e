//! Access to a registry's content without requests, for tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use serde_json::Value;

use super::{
    server::Faulty,
    storage::{Manifest, Repository, descriptors},
};
use crate::image;

impl Faulty {
    /// Adds the image of an OCI layout, with all its platforms, as `repository:tag`.
    pub fn push(&self, layout: &Path, repository_and_tag: &str) {
        let (name, tag) = repository_and_tag.rsplit_once(':').expect("repository:tag");
        self.state.storage().add_layout(layout, name, tag);
    }

    /// Creates an empty repository, for a registry with
    /// [`Habit::KnownRepositories`](super::Habit::KnownRepositories).
    pub fn create_repository(&self, name: &str) {
        self.state.storage().repository(name);
    }

    /// Adds a manifest to a repository without any check, and returns its digest.
    pub fn put_manifest(&self, name: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> String {
        let mut storage = self.state.storage();
        storage
            .repository(name)
            .put_manifest(media_type, bytes.into())
    }

    /// Adds a blob to a repository, and returns its digest.
    pub fn put_blob(&self, name: &str, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let digest = image::digest(&bytes);
        let mut storage = self.state.storage();
        storage
            .repository(name)
            .blobs
            .insert(digest.clone(), Arc::new(bytes));
        digest
    }

    /// Sets a tag.
    pub fn tag(&self, name: &str, tag: &str, digest: &str) {
        let mut storage = self.state.storage();
        storage
            .repository(name)
            .tags
            .insert(tag.to_owned(), digest.to_owned());
    }

    /// Returns a blob, from whichever repository has it.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        Some(self.state.storage().blob(digest)?.to_vec())
    }

    /// Returns a manifest by tag or digest.
    pub fn manifest(&self, name: &str, reference: &str) -> Option<Manifest> {
        let storage = self.state.storage();
        storage.repositories.get(name)?.manifest(reference).cloned()
    }

    /// Returns the digests of a repository's tags.
    pub fn tags(&self, name: &str) -> BTreeMap<String, String> {
        let storage = self.state.storage();
        let repository = storage.repositories.get(name);
        repository
            .map(|repository| repository.tags.clone())
            .unwrap_or_default()
    }

    /// Returns how many upload sessions are open.
    pub fn open_uploads(&self) -> usize {
        self.state.storage().uploads.len()
    }

    /// Discards all open upload sessions.
    pub fn forget_uploads(&self) {
        self.state.storage().uploads.clear();
    }

    /// Returns the digests of all blobs and manifests of all repositories.
    pub fn digests(&self) -> BTreeSet<String> {
        self.state.storage().digests()
    }

    /// Changes the bytes of a blob or a manifest, which keeps its digest.
    pub fn corrupt(&self, digest: &str, change: impl Fn(&mut Vec<u8>)) {
        self.state.storage().corrupt(digest, change);
    }

    /// Removes a blob, or a manifest and its tags.
    pub fn remove(&self, digest: &str) {
        self.state.storage().remove(digest);
    }

    /// Returns the digests of everything that a tag or digest refers to, directly or not, and that
    /// is missing or does not match its digest.
    pub fn broken(&self, name: &str, reference: &str) -> BTreeSet<String> {
        let storage = self.state.storage();
        let mut broken = BTreeSet::new();
        match storage.repositories.get(name) {
            Some(repository) => find_broken(repository, reference, &mut broken),
            None => drop(broken.insert(reference.to_owned())),
        }
        broken
    }
}

fn find_broken(repository: &Repository, reference: &str, broken: &mut BTreeSet<String>) {
    let Some(manifest) = repository.manifest(reference) else {
        broken.insert(reference.to_owned());
        return;
    };
    if !image::has_digest(&manifest.bytes, &manifest.digest) {
        broken.insert(manifest.digest.clone());
    }
    let parsed: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    for descriptor in descriptors(&parsed) {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        match repository.blobs.get(digest) {
            Some(bytes) if !image::has_digest(bytes, digest) => {
                broken.insert(digest.to_owned());
            }
            Some(_) => {}
            None => find_broken(repository, digest, broken),
        }
    }
}
