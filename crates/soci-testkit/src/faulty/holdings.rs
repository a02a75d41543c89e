//! What a test puts into a registry by hand, and finds in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use serde_json::Value;

use super::{
    Faulty,
    storage::{Manifest, Repository, named_by},
};
use crate::image;

impl Faulty {
    /// Takes the image of an OCI layout, with all its platforms and byte for byte, as `repository:tag`.
    pub fn push(&self, layout: &Path, repository_and_tag: &str) {
        let (name, tag) = repository_and_tag.rsplit_once(':').expect("repository:tag");
        self.shared.storage().load(layout, name, tag);
    }

    /// Makes an empty repository, for a registry with [`Habit::KnownRepositories`].
    pub fn create_repository(&self, name: &str) {
        self.shared.storage().repository(name);
    }

    /// Puts a manifest into a repository, whatever it holds, and returns its digest.
    pub fn put_manifest(&self, name: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> String {
        let mut storage = self.shared.storage();
        storage
            .repository(name)
            .put_manifest(media_type, bytes.into())
    }

    /// Puts a blob into a repository and returns its digest.
    pub fn put_blob(&self, name: &str, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let digest = image::digest(&bytes);
        let mut storage = self.shared.storage();
        storage
            .repository(name)
            .blobs
            .insert(digest.clone(), Arc::new(bytes));
        digest
    }

    /// Sets a tag.
    pub fn tag(&self, name: &str, tag: &str, digest: &str) {
        let mut storage = self.shared.storage();
        storage
            .repository(name)
            .tags
            .insert(tag.to_owned(), digest.to_owned());
    }

    /// Returns a blob of any repository.
    pub fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        Some(self.shared.storage().blob(digest)?.to_vec())
    }

    /// Returns a manifest by tag or digest.
    pub fn manifest(&self, name: &str, reference: &str) -> Option<Manifest> {
        let storage = self.shared.storage();
        storage.repositories.get(name)?.manifest(reference).cloned()
    }

    /// Returns the tags of a repository with their digests.
    pub fn tags(&self, name: &str) -> BTreeMap<String, String> {
        let storage = self.shared.storage();
        let repository = storage.repositories.get(name);
        repository
            .map(|repository| repository.tags.clone())
            .unwrap_or_default()
    }

    /// Returns how many uploads have begun and not ended.
    pub fn open_uploads(&self) -> usize {
        self.shared.storage().uploads.len()
    }

    /// Forgets all uploads that have begun.
    pub fn forget_uploads(&self) {
        self.shared.storage().uploads.clear();
    }

    /// Returns the digests of all blobs and manifests.
    pub fn digests(&self) -> BTreeSet<String> {
        self.shared.storage().digests()
    }

    /// Changes the bytes of a blob or a manifest under the digest that it had.
    pub fn corrupt(&self, digest: &str, change: impl Fn(&mut Vec<u8>)) {
        self.shared.storage().corrupt(digest, change);
    }

    /// Removes a blob, or a manifest and its tags.
    pub fn remove(&self, digest: &str) {
        self.shared.storage().remove(digest);
    }

    /// Returns the digests of what a tag or a digest leads to and what is not there, or is not what its digest says.
    pub fn broken(&self, name: &str, reference: &str) -> BTreeSet<String> {
        let storage = self.shared.storage();
        let mut broken = BTreeSet::new();
        match storage.repositories.get(name) {
            Some(repository) => walk(repository, reference, &mut broken),
            None => drop(broken.insert(reference.to_owned())),
        }
        broken
    }
}

fn walk(repository: &Repository, reference: &str, broken: &mut BTreeSet<String>) {
    let Some(manifest) = repository.manifest(reference) else {
        broken.insert(reference.to_owned());
        return;
    };
    if image::digest(&manifest.bytes) != manifest.digest {
        broken.insert(manifest.digest.clone());
    }
    let parsed: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    for descriptor in named_by(&parsed) {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        match repository.blobs.get(digest) {
            Some(bytes) if image::digest(bytes) != digest => drop(broken.insert(digest.to_owned())),
            Some(_) => {}
            None => walk(repository, digest, broken),
        }
    }
}
