//! What is pushed for a document: which blobs and manifests, in which order.

use std::collections::BTreeMap;

use soci_cli::Failure;
use soci_document::{Document, Exit, Indexing, ManifestEntry};
use soci_layout::Layout;
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::{SOCI_INDEX_V1, is_index, is_manifest};
use soci_oci::soci::CONFIG;
use soci_oci::{Descriptor, Digest, Manifest, convert};
use soci_transport::{Source, parse_manifest};

/// What is pushed, in the order in which it is: a thing stands before those that name it.
#[derive(Default)]
pub(crate) struct Content {
    /// The blobs of the SOCI indexes, from the store.
    pub(crate) blobs: BTreeMap<Digest, Descriptor>,
    /// The configurations and layers of the image, for a place that may not hold them.
    pub(crate) image_blobs: BTreeMap<Digest, Descriptor>,
    /// The manifests, with their bytes.
    pub(crate) manifests: Vec<(Descriptor, Vec<u8>)>,
    /// The SOCI indexes of version 1, by the image manifest that each refers to.
    pub(crate) referrers: Vec<(Descriptor, Descriptor, Vec<u8>)>,
    /// What the tags are to name, with its bytes. Absent where no converted image was asked for.
    pub(crate) tagged: Option<(Descriptor, Vec<u8>)>,
}

/// Where the parts of an image are read from.
pub(crate) struct Origin<'a> {
    pub(crate) store: &'a Layout,
    /// The place of the image, where the destination is another one.
    pub(crate) copied_from: Option<&'a Source>,
}

impl Origin<'_> {
    /// Gathers what is pushed for `document`.
    pub(crate) fn gather(&self, document: &Document) -> Result<Content, Failure> {
        let mut content = Content::default();
        for entry in &document.manifests {
            self.soci_indexes(entry, &mut content)?;
        }
        let tagged = match &document.converted {
            Indexing::Pending => None,
            Indexing::Done(converted) => Some(converted),
            // Nothing was to be indexed: the tag is made all the same, so that deployments find it.
            Indexing::Empty => Some(&document.root),
        };
        if self.copied_from.is_some()
            && (tagged == Some(&document.root) || !content.referrers.is_empty())
        {
            self.children(&document.root, &mut content)?;
        }
        if let Some(tagged) = tagged {
            let bytes = self.children(tagged, &mut content)?;
            content.tagged = Some((tagged.clone(), bytes));
        }
        Ok(content)
    }

    /// Gathers the SOCI indexes of one manifest and what they name.
    fn soci_indexes(&self, entry: &ManifestEntry, content: &mut Content) -> Result<(), Failure> {
        let Some(indexes) = entry.index.as_done() else {
            return Ok(());
        };
        for index in [&indexes.v1, &indexes.v2].into_iter().flatten() {
            let bytes = self.stored(index)?;
            let Root::Manifest(manifest) = parse_manifest(&bytes, index)? else {
                continue;
            };
            let blobs = manifest.layers().iter().chain(&manifest.config);
            content
                .blobs
                .extend(blobs.map(|blob| (blob.digest, blob.clone())));
            match &manifest.subject {
                Some(subject) => {
                    let mut index = index.clone();
                    index.artifact_type = Some(SOCI_INDEX_V1.to_owned());
                    index.annotations.clone_from(&manifest.annotations);
                    content.referrers.push((subject.clone(), index, bytes));
                }
                None => content.add(index, bytes),
            }
        }
        Ok(())
    }

    /// Gathers the manifests below `root`, which may be one itself, and returns its bytes. Of a place that holds the image,
    /// only what the store has can be new.
    fn children(&self, root: &Descriptor, content: &mut Content) -> Result<Vec<u8>, Failure> {
        let bytes = self.read(root)?;
        match parse_manifest(&bytes, root)? {
            Root::Manifest(manifest) => {
                self.image_blobs(&manifest, content);
                content.add(root, bytes.clone());
            }
            Root::Index(index) => {
                for child in &index.manifests {
                    self.child(child, content)?;
                }
                if self.copied_from.is_some() {
                    content.add(root, bytes.clone());
                }
            }
        }
        Ok(bytes)
    }

    /// Gathers one manifest that an index lists.
    fn child(&self, child: &Descriptor, content: &mut Content) -> Result<(), Failure> {
        let copied = self.copied_from.is_some();
        let stored = self.store.has_blob(child);
        if is_index(&child.media_type) && copied {
            return self.children(child, content).map(drop);
        }
        if !is_manifest(&child.media_type) || !(stored || copied) {
            return Ok(());
        }
        let bytes = match self.read(child) {
            // A manifest that the source lists and does not hold cannot be copied.
            Err(failure) if failure.exit == Exit::NotFound => return Ok(()),
            other => other?,
        };
        if let Root::Manifest(manifest) = parse_manifest(&bytes, child)?
            && !convert::is_soci_entry(child, Some(&manifest))
        {
            self.image_blobs(&manifest, content);
        }
        content.add(child, bytes);
        Ok(())
    }

    /// Gathers what an image manifest names, for a place that may not hold it.
    fn image_blobs(&self, manifest: &Manifest, content: &mut Content) {
        if self.copied_from.is_some() {
            let blobs = manifest.config.iter().chain(manifest.layers());
            content
                .image_blobs
                .extend(blobs.map(|blob| (blob.digest, blob.clone())));
        }
    }

    /// Reads a manifest from the store, or else from the place that the image is copied from.
    fn read(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Failure> {
        if let (false, Some(source)) = (self.store.has_blob(descriptor), self.copied_from)
            && let Some(bytes) = source.read_manifest(descriptor)?
        {
            return Ok(bytes);
        }
        self.stored(descriptor)
    }

    fn stored(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Failure> {
        self.store
            .read_blob(descriptor, MANIFEST_LIMIT)
            .map_err(|error| {
                Failure::from(error).hint("push from the store in which the index was built")
            })
    }
}

impl Content {
    /// Adds a manifest, unless it is there.
    fn add(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) {
        if !self
            .manifests
            .iter()
            .any(|(other, _)| other.digest == descriptor.digest)
        {
            self.manifests.push((descriptor.clone(), bytes));
        }
    }
}

/// Says whether a blob is the configuration of every SOCI index.
pub(crate) fn is_soci_config(blob: &Descriptor) -> bool {
    blob.size == CONFIG.len() as u64 && blob.digest == Digest::of(CONFIG)
}
