//! A repository in memory.

use std::collections::BTreeMap;

use soci_oci::manifest::Root;
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest};

use crate::backend::ReadImage;
use crate::blob_reader::BlobReader;
use crate::error::TransportError;

/// A repository in memory: manifests and blobs by digest, and tags.
///
/// With it, what stands above a [`Source`](crate::Source) is tested without disk and network.
#[derive(Clone, Debug, Default)]
pub struct MemoryImage {
    blobs: BTreeMap<Digest, StoredBlob>,
    tags: BTreeMap<String, Digest>,
}

#[derive(Clone, Debug)]
struct StoredBlob {
    media_type: String,
    bytes: Vec<u8>,
}

impl MemoryImage {
    /// Adds a blob or a manifest, and returns its descriptor.
    pub fn add_blob(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        let stored = StoredBlob {
            media_type: media_type.to_owned(),
            bytes: bytes.to_vec(),
        };
        self.blobs.insert(descriptor.digest, stored);
        descriptor
    }

    /// Adds a manifest under a tag, and returns its descriptor.
    pub fn add_tag(&mut self, tag: &str, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = self.add_blob(media_type, bytes);
        self.tags.insert(tag.to_owned(), descriptor.digest);
        descriptor
    }

    /// Removes a blob or a manifest, so that others name what is missing.
    pub fn remove_blob(&mut self, digest: Digest) {
        self.blobs.remove(&digest);
    }

    /// Replaces the bytes of a blob or a manifest, as a server with a damaged disk does.
    pub fn damage_blob(&mut self, damaged: &Descriptor, bytes: &[u8]) {
        let stored = StoredBlob {
            media_type: damaged.media_type.clone(),
            bytes: bytes.to_vec(),
        };
        self.blobs.insert(damaged.digest, stored);
    }

    fn find(&self, digest: Digest) -> Result<&StoredBlob, TransportError> {
        let what = format!("`{digest}`");
        let found = self.blobs.get(&digest);
        found.ok_or(TransportError::NotFound { what })
    }
}

impl ReadImage for MemoryImage {
    fn resolve(&self, image: &Selector) -> Result<(Descriptor, Vec<u8>), TransportError> {
        let digest = match image {
            Selector::Any => self.tags.get("latest").copied(),
            Selector::Name(tag) => self.tags.get(tag).copied(),
            Selector::Digest(digest) => Some(*digest),
        };
        let what = format!("{image:?}");
        let stored = self.find(digest.ok_or(TransportError::NotFound { what })?)?;
        let descriptor = Descriptor::of(&stored.media_type, &stored.bytes);
        Ok((descriptor, stored.bytes.clone()))
    }

    fn read_blob(
        &self,
        descriptor: &Descriptor,
        _limit: u64,
    ) -> Result<Option<Vec<u8>>, TransportError> {
        let stored = self.blobs.get(&descriptor.digest);
        Ok(stored.map(|stored| stored.bytes.clone()))
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader, TransportError> {
        let stored = self.find(descriptor.digest)?;
        Ok(BlobReader::from_bytes(stored.bytes.clone()))
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        Ok(self.blobs.contains_key(&descriptor.digest))
    }

    fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, TransportError> {
        let find = |stored: &StoredBlob| {
            let Ok(Root::Manifest(manifest)) = Root::parse(&stored.bytes, &stored.media_type)
            else {
                return None;
            };
            let config = manifest.config.as_ref()?;
            let refers = manifest.subject?.digest == subject && config.media_type == artifact_type;
            refers.then(|| Descriptor::of(&stored.media_type, &stored.bytes))
        };
        Ok(self.blobs.values().filter_map(find).collect())
    }
}
