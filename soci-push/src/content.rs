//! Gathers what is pushed for a document: blobs, manifests, referrers, and what the tags name.

use std::collections::{BTreeMap, BTreeSet};

use soci_cli::Failure;
use soci_document::{Document, Exit, IndexVersion, Indexing, ManifestEntry, PushedIndex};
use soci_layout::Layout;
use soci_oci::manifest::{MANIFEST_LIMIT, MAX_INDEX_DEPTH, Root};
use soci_oci::media_type::{SOCI_INDEX_V1, is_index, is_manifest};
use soci_oci::soci::CONFIG;
use soci_oci::{Descriptor, Digest, Platform, layer};
use soci_transport::{Source, parse_manifest};

use crate::targets::Targets;

/// The largest ztoc, in bytes, that is sent without a look whether the destination has it. Sending
/// one that it has takes little longer than the look that would have shown that.
const LARGEST_UNSEEN_ZTOC: u64 = 64 << 10;

/// What is pushed for one document.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) blobs: BlobSet,
    /// The manifests and image indexes, each after those that it lists.
    pub(crate) manifests: Vec<Manifest>,
    /// The SOCI indexes of version 1.
    pub(crate) referrers: Vec<Referrer>,
    /// The SOCI indexes of version 2, those of earlier runs included. They are among `manifests`,
    /// unless an earlier run has pushed them.
    pub(crate) version_2: Vec<PushedIndex>,
    /// The manifest or image index that the tags name. Absent if the plan asks for no converted
    /// image, and the user for no tag.
    pub(crate) tagged: Option<Manifest>,
}

/// The blobs to push, each once. They are sent in the order of the fields.
#[derive(Default)]
pub(crate) struct BlobSet {
    /// The configurations and layers of the image. Empty if it is not copied.
    pub(crate) image: Vec<Descriptor>,
    /// The small ztocs that this run has built, from the store. The destination most likely lacks
    /// them.
    pub(crate) new_ztocs: Vec<Descriptor>,
    /// The other ztocs and the prefetch lists, from the store.
    pub(crate) ztocs: Vec<Descriptor>,
    /// The configurations of the SOCI indexes, from the store.
    pub(crate) configs: Vec<Descriptor>,
}

impl BlobSet {
    /// Returns the number of blobs.
    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }

    /// Returns the sum of their sizes, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.iter().map(|blob| blob.size);
        sizes.fold(0, u64::saturating_add)
    }

    fn iter(&self) -> impl Iterator<Item = &Descriptor> {
        let ztocs = self.new_ztocs.iter().chain(&self.ztocs);
        self.image.iter().chain(ztocs).chain(&self.configs)
    }
}

/// A manifest or image index.
#[derive(Clone)]
pub(crate) struct Manifest {
    pub(crate) descriptor: Descriptor,
    pub(crate) bytes: Vec<u8>,
}

/// A SOCI index of version 1, which refers to an image manifest.
pub(crate) struct Referrer {
    /// The image manifest.
    pub(crate) subject: Descriptor,
    pub(crate) index: Manifest,
    /// The platform of the image manifest, if it is known.
    pub(crate) platform: Option<Platform>,
}

/// Returns what the document says of the SOCI indexes of version 2 of an image that earlier runs
/// have made.
pub(crate) fn earlier_indexes(document: &Document) -> Vec<PushedIndex> {
    let converted = document.manifests.iter();
    let converted = converted.filter(|entry| !entry.is_planned());
    let describe = |entry: &ManifestEntry| {
        let soci_index = entry.soci_index.as_ref()?;
        Some(describe_version_2(soci_index, entry))
    };
    converted.filter_map(describe).collect()
}

fn describe_version_2(index: &Descriptor, entry: &ManifestEntry) -> PushedIndex {
    PushedIndex {
        version: IndexVersion::V2,
        digest: index.digest,
        platform: entry.platform().cloned(),
    }
}

/// Gathers what is pushed for `document` from the store. If the destination is not where the image
/// is, the image is pushed too.
pub(crate) fn gather(
    document: &Document,
    store: &Layout,
    targets: &Targets,
) -> Result<Content, Failure> {
    let mut gatherer = Gatherer {
        store,
        source: targets.source.as_ref(),
        content: Content::default(),
        index_blobs: BTreeMap::new(),
        image_blobs: BTreeMap::new(),
        new_ztocs: new_ztocs(document),
    };
    gatherer.gather_document(document, &targets.tags)?;
    gatherer.finish()
}

/// The content that was gathered so far.
struct Gatherer<'a> {
    store: &'a Layout,
    source: Option<&'a Source>,
    content: Content,
    /// The blobs of the SOCI indexes.
    index_blobs: BTreeMap<Digest, Descriptor>,
    /// The configurations and layers of the image.
    image_blobs: BTreeMap<Digest, Descriptor>,
    /// The small ztocs that this run has built.
    new_ztocs: BTreeSet<Digest>,
}

impl Gatherer<'_> {
    fn gather_document(&mut self, document: &Document, tags: &[String]) -> Result<(), Failure> {
        for entry in &document.manifests {
            self.add_soci_indexes(entry)?;
        }
        self.content.version_2.extend(earlier_indexes(document));
        let tagged = match &document.converted {
            Indexing::Pending if tags.is_empty() => None,
            Indexing::Done(converted) => Some(converted),
            // The tag names the image itself if it is not converted: if no layer was indexed, so
            // that deployments that use the tag still work, and if the user named a tag for an
            // image with an index of version 1.
            Indexing::Empty | Indexing::Pending => Some(&document.root),
        };
        // A version 1 index refers to the image, which is copied even if no tag names it.
        if self.source.is_some()
            && tagged != Some(&document.root)
            && !self.content.referrers.is_empty()
        {
            self.add_image(&document.root, 0)?;
        }
        // An image index lists the SOCI indexes of its manifests, but a single manifest does not.
        let converted = document.manifests.iter();
        for entry in converted.filter(|entry| !entry.is_planned()) {
            if let (Some(soci_index), Some(_)) = (&entry.soci_index, self.source) {
                self.add_child(soci_index, 0)?;
            }
        }
        if let Some(tagged) = tagged {
            let bytes = self.add_image(tagged, 0)?;
            self.content.tagged = Some(Manifest {
                descriptor: tagged.clone(),
                bytes,
            });
        }
        Ok(())
    }

    /// Adds the SOCI indexes of one image manifest with their blobs.
    fn add_soci_indexes(&mut self, entry: &ManifestEntry) -> Result<(), Failure> {
        let Some(indexes) = entry.index.as_done() else {
            return Ok(());
        };
        for index in [&indexes.v1, &indexes.v2].into_iter().flatten() {
            let bytes = self.read_stored(index)?;
            let Root::Manifest(manifest) = parse_manifest(&bytes, index)? else {
                continue;
            };
            let blobs = manifest.layers().iter().chain(&manifest.config);
            self.index_blobs
                .extend(blobs.map(|blob| (blob.digest, blob.clone())));
            let Some(subject) = &manifest.subject else {
                self.add_manifest(index, bytes);
                let version_2 = describe_version_2(index, entry);
                self.content.version_2.push(version_2);
                continue;
            };
            let mut descriptor = index.clone();
            descriptor.artifact_type = Some(SOCI_INDEX_V1.to_owned());
            descriptor.annotations.clone_from(&manifest.annotations);
            self.content.referrers.push(Referrer {
                subject: subject.clone(),
                index: Manifest { descriptor, bytes },
                platform: entry.platform().cloned(),
            });
        }
        Ok(())
    }

    /// Adds the manifests below `root`, which may be a manifest itself, and returns the bytes of
    /// `root`. If the image is not copied, only manifests in the store are added: the destination
    /// has the others. `depth` is 0 for the root of the image; the root itself is added only if the
    /// image is copied.
    fn add_image(&mut self, root: &Descriptor, depth: usize) -> Result<Vec<u8>, Failure> {
        let bytes = self.read_manifest(root)?;
        match parse_manifest(&bytes, root)? {
            Root::Manifest(manifest) => {
                self.add_image_blobs(&manifest);
                self.add_manifest(root, bytes.clone());
            }
            Root::Index(index) => {
                for child in &index.manifests {
                    self.add_child(child, depth)?;
                }
                if self.source.is_some() || depth > 0 {
                    self.add_manifest(root, bytes.clone());
                }
            }
        }
        Ok(bytes)
    }

    /// Adds a manifest or an index that an image index of depth `depth` lists, unless it was added
    /// before.
    fn add_child(&mut self, child: &Descriptor, depth: usize) -> Result<(), Failure> {
        let is_nested = is_index(&child.media_type) && depth < MAX_INDEX_DEPTH;
        let is_copied = self.source.is_some();
        if !(is_nested || is_manifest(&child.media_type))
            || !(is_copied || self.store.has_blob(child))
            || self.has_manifest(child.digest)
        {
            return Ok(());
        }
        match self.add_image(child, depth + 1) {
            // The source lists the manifest, but does not hold it.
            Err(failure) if failure.exit == Exit::NotFound => Ok(()),
            added => added.map(drop),
        }
    }

    /// Adds the configuration and the layers of an image manifest, if the image is copied.
    fn add_image_blobs(&mut self, manifest: &soci_oci::Manifest) {
        if self.source.is_some() {
            let blobs = manifest.config.iter().chain(manifest.layers());
            self.image_blobs
                .extend(blobs.map(|blob| (blob.digest, blob.clone())));
        }
    }

    /// Adds a manifest, unless it was added before.
    fn add_manifest(&mut self, descriptor: &Descriptor, bytes: Vec<u8>) {
        if !self.has_manifest(descriptor.digest) {
            self.content.manifests.push(Manifest {
                descriptor: descriptor.clone(),
                bytes,
            });
        }
    }

    /// Returns whether a manifest was added before.
    fn has_manifest(&self, digest: Digest) -> bool {
        let mut manifests = self.content.manifests.iter();
        manifests.any(|manifest| manifest.descriptor.digest == digest)
    }

    /// Returns the content, without foreign layers that the source does not hold.
    fn finish(mut self) -> Result<Content, Failure> {
        let blobs = &mut self.content.blobs;
        for blob in self.image_blobs.into_values() {
            if let Some(source) = self.source
                && (!layer::is_foreign(&blob.media_type) || source.has_blob(&blob)?)
            {
                blobs.image.push(blob);
            }
        }
        (blobs.configs, blobs.ztocs) = self.index_blobs.into_values().partition(is_soci_config);
        let is_new = |ztoc: &mut Descriptor| self.new_ztocs.contains(&ztoc.digest);
        blobs.new_ztocs = blobs.ztocs.extract_if(.., is_new).collect();
        Ok(self.content)
    }

    /// Reads a manifest from the store, or else from the source of the image.
    fn read_manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Failure> {
        if let (false, Some(source)) = (self.store.has_blob(descriptor), self.source)
            && let Some(bytes) = source.read_manifest(descriptor)?
        {
            return Ok(bytes);
        }
        self.read_stored(descriptor)
    }

    /// Reads a manifest from the store.
    fn read_stored(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Failure> {
        self.store
            .read_blob(descriptor, MANIFEST_LIMIT)
            .map_err(|error| {
                Failure::from(error).hint("push from the store in which the index was built")
            })
    }
}

/// Returns the small ztocs that this run has built.
fn new_ztocs(document: &Document) -> BTreeSet<Digest> {
    let layers = document.manifests.iter().flat_map(|entry| &entry.layers);
    layers
        .filter(|layer| layer.reused.is_none())
        .filter_map(|layer| layer.ztoc.as_done())
        .filter(|ztoc| ztoc.size <= LARGEST_UNSEEN_ZTOC)
        .map(|ztoc| ztoc.digest)
        .collect()
}

/// Returns whether a blob is the configuration of a SOCI index, which is the same for all.
fn is_soci_config(blob: &Descriptor) -> bool {
    blob.size == CONFIG.len() as u64 && blob.digest == Digest::of(CONFIG)
}

#[cfg(test)]
mod tests;
