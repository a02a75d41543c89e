//! Conversion of an image for SOCI version 2.
//!
//! The result is an image index in which each image manifest names its SOCI index in an annotation.
//! It has the same bytes as that of `soci convert`, with these exceptions that avoid broken images:
//!
//! - SOCI indexes and attestations of the source keep their bytes. Only the annotation that names
//!   their image manifest is updated.
//! - The inline `data` of a changed manifest is removed.
//! - Entries that the source does not hold are removed.
//! - A nested image index stays an index, and lists the SOCI indexes of its manifests itself. A
//!   reader that looks for a platform takes the first entry that names it, so that a SOCI index in
//!   the root would hide an image in a nested index without a platform.
//! - Two manifests of the same platform keep one SOCI index each.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{MAX_INDEX_DEPTH, Root};
use crate::media_type::{
    OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SOCI_INDEX_V2, is_image_config, is_index, is_soci_index,
};
use crate::soci::{IMAGE_MANIFEST_DIGEST, INDEX_DIGEST};
use crate::{Descriptor, Digest, Index, Manifest, Platform};

/// Annotation of an attestation in an image index: the digest of the attested image manifest.
const ATTESTED_DIGEST: &str = "vnd.docker.reference.digest";
/// Annotation of an attestation in an image index: its kind.
const ATTESTATION_TYPE: &str = "vnd.docker.reference.type";

/// The image to convert.
pub struct Source<'a> {
    /// The descriptor of the manifest or index that the reference resolved to.
    pub root: &'a Descriptor,
    /// The manifest or index that the reference resolved to.
    pub content: Root,
    /// If the image has one manifest: the platform of its configuration, in normal form.
    pub platform: Option<Platform>,
    /// The manifests that were fetched, by digest. The entries of other manifests stay as they are.
    pub manifests: &'a BTreeMap<Digest, Manifest>,
    /// The nested image indexes that were fetched, by digest. The entries of other indexes stay as
    /// they are.
    pub indexes: &'a BTreeMap<Digest, Index>,
    /// The manifests and nested indexes that are listed, but which the source does not hold.
    pub missing: &'a BTreeSet<Digest>,
}

/// The SOCI index of one image manifest.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The digest of the image manifest in the source.
    pub manifest: Digest,
    /// The platform under which the SOCI index is listed.
    pub platform: Platform,
    /// The descriptor of the version 2 SOCI index.
    pub soci_index: Descriptor,
}

/// A converted image.
pub struct Converted {
    /// The descriptor of the image index.
    pub root: Descriptor,
    /// The bytes of the image index.
    pub bytes: Vec<u8>,
    /// The converted manifests and nested indexes, with their bytes, each after those that it
    /// lists.
    pub manifests: Vec<(Descriptor, Vec<u8>)>,
}

/// Returns whether an entry of an image index is an attestation of another entry.
pub fn is_attestation(entry: &Descriptor) -> bool {
    entry.annotations.contains_key(ATTESTATION_TYPE)
}

/// Returns whether an entry of an image index is a SOCI index, of either version. `manifest` is the
/// content of the entry, if it was fetched.
pub fn is_soci_entry(entry: &Descriptor, manifest: Option<&Manifest>) -> bool {
    let config = manifest.and_then(|manifest| manifest.config.as_ref());
    entry.artifact_type.as_deref().is_some_and(is_soci_index)
        || config.is_some_and(|config| is_soci_index(&config.media_type))
}

/// Converts an image: every fetched image manifest becomes an OCI manifest, the indexed ones name
/// their SOCI index, and each SOCI index is listed in the image index that lists its manifest.
///
/// Nested image indexes are rewritten after what they list. One in which nothing changes keeps its
/// bytes.
pub fn convert(source: Source<'_>, indexed: &[Indexed]) -> Converted {
    let mut index = initial_index(source.root, source.content, source.platform, source.missing);
    let mut conversion = Conversion {
        originals: source.manifests,
        indexes: source.indexes,
        missing: source.missing,
        indexed,
        converted: BTreeMap::new(),
        visited: BTreeSet::new(),
        rewritten: BTreeMap::new(),
        contents: Vec::new(),
    };
    conversion.convert_manifests(&index, 0);
    conversion.rewrite_index(&mut index, 0);
    let bytes = index.to_bytes();
    Converted {
        root: Descriptor::of(OCI_INDEX, &bytes),
        bytes,
        manifests: conversion.contents,
    }
}

/// The conversion of one image.
struct Conversion<'a> {
    originals: &'a BTreeMap<Digest, Manifest>,
    indexes: &'a BTreeMap<Digest, Index>,
    missing: &'a BTreeSet<Digest>,
    indexed: &'a [Indexed],
    /// The converted manifests, by the digest of the original.
    converted: BTreeMap<Digest, ConvertedManifest>,
    /// The nested indexes whose manifests were converted.
    visited: BTreeSet<Digest>,
    /// The nested indexes that were rewritten, by the digest of the original. `None` if all that
    /// the index lists is missing in the source.
    rewritten: BTreeMap<Digest, Option<Descriptor>>,
    /// The changed manifests and nested indexes, each after those that it lists.
    contents: Vec<(Descriptor, Vec<u8>)>,
}

/// An image manifest after the conversion.
struct ConvertedManifest {
    digest: Digest,
    /// The size in bytes.
    size: u64,
    annotations: BTreeMap<String, String>,
}

impl<'a> Conversion<'a> {
    /// Converts the image manifests that an index lists, directly or in a nested index.
    fn convert_manifests(&mut self, index: &Index, depth: usize) {
        for entry in &index.manifests {
            if let Some(manifest) = self.image(entry) {
                if !self.converted.contains_key(&entry.digest) {
                    self.convert_manifest(entry, manifest);
                }
            } else if let Some(nested) = self.nested(entry, depth)
                && self.visited.insert(entry.digest)
            {
                self.convert_manifests(nested, depth + 1);
            }
        }
    }

    /// Converts an image manifest to an OCI manifest that names its SOCI index.
    fn convert_manifest(&mut self, entry: &Descriptor, manifest: &Manifest) {
        let mut manifest = manifest.clone();
        OCI_MANIFEST.clone_into(&mut manifest.media_type);
        if let Some(config) = &mut manifest.config {
            OCI_CONFIG.clone_into(&mut config.media_type);
        }
        let mut indexed = self.indexed.iter();
        if let Some(indexed) = indexed.find(|indexed| indexed.manifest == entry.digest) {
            let soci_index = indexed.soci_index.digest.to_string();
            manifest
                .annotations
                .insert(INDEX_DIGEST.to_owned(), soci_index);
        }
        let bytes = manifest.to_bytes();
        let descriptor = Descriptor::of(OCI_MANIFEST, &bytes);
        let converted = ConvertedManifest {
            digest: descriptor.digest,
            size: descriptor.size,
            annotations: manifest.annotations,
        };
        self.converted.insert(entry.digest, converted);
        self.contents.push((descriptor, bytes));
    }

    /// Replaces the entries of an index whose content has changed, removes those that the source
    /// does not hold, and lists the SOCI indexes of the manifests that the index lists.
    fn rewrite_index(&mut self, index: &mut Index, depth: usize) {
        let listed: BTreeSet<Digest> = index.manifests.iter().map(|entry| entry.digest).collect();
        let mut entries = std::mem::take(&mut index.manifests);
        entries.retain_mut(|entry| self.rewrite_entry(entry, depth));
        for entry in &mut entries {
            self.update_links(entry);
        }
        for indexed in self.indexed {
            if listed.contains(&indexed.manifest) {
                let converted = self.converted.get(&indexed.manifest);
                let manifest = converted.map_or(indexed.manifest, |converted| converted.digest);
                list_soci_index(&mut entries, indexed, manifest);
            }
        }
        index.manifests = entries;
    }

    /// Replaces an entry whose content has changed. Returns whether the entry stays.
    fn rewrite_entry(&mut self, entry: &mut Descriptor, depth: usize) -> bool {
        if self.missing.contains(&entry.digest) {
            return false;
        }
        if self.image(entry).is_some() {
            if let Some(manifest) = self.converted.get(&entry.digest) {
                replace_entry(entry, manifest);
            }
            return true;
        }
        let Some(nested) = self.nested(entry, depth) else {
            return true;
        };
        let rewritten = match self.rewritten.get(&entry.digest) {
            Some(rewritten) => rewritten.clone(),
            None => self.rewrite_nested(entry, nested, depth),
        };
        let Some(rewritten) = rewritten else {
            return false;
        };
        if rewritten.digest != entry.digest {
            entry.media_type = rewritten.media_type;
            entry.digest = rewritten.digest;
            entry.size = rewritten.size;
            entry.data = None;
        }
        true
    }

    /// Rewrites a nested index. Returns its descriptor, or `None` if the source holds nothing that
    /// it lists.
    fn rewrite_nested(
        &mut self,
        entry: &Descriptor,
        nested: &Index,
        depth: usize,
    ) -> Option<Descriptor> {
        let mut index = nested.clone();
        self.rewrite_index(&mut index, depth + 1);
        let rewritten = if index == *nested {
            Some(entry.clone())
        } else if index.manifests.is_empty() {
            None
        } else {
            OCI_INDEX.clone_into(&mut index.media_type);
            let bytes = index.to_bytes();
            let descriptor = Descriptor::of(OCI_INDEX, &bytes);
            self.contents.push((descriptor.clone(), bytes));
            Some(descriptor)
        };
        self.rewritten.insert(entry.digest, rewritten.clone());
        rewritten
    }

    /// Returns the manifest of an entry that is to be converted: a fetched image that is neither an
    /// attestation nor a SOCI index.
    fn image(&self, entry: &Descriptor) -> Option<&'a Manifest> {
        let manifest = self.originals.get(&entry.digest)?;
        let is_converted =
            !is_attestation(entry) && !is_soci_entry(entry, Some(manifest)) && is_image(manifest);
        is_converted.then_some(manifest)
    }

    /// Returns the nested index of an entry, if it was fetched and `depth` does not exceed the
    /// limit.
    fn nested(&self, entry: &Descriptor, depth: usize) -> Option<&'a Index> {
        let nested = self.indexes.get(&entry.digest)?;
        (is_index(&entry.media_type) && depth < MAX_INDEX_DEPTH).then_some(nested)
    }

    /// Updates the annotation of an attestation or a SOCI index that names its image manifest.
    fn update_links(&self, entry: &mut Descriptor) {
        for link in [ATTESTED_DIGEST, IMAGE_MANIFEST_DIGEST] {
            if let Some(value) = entry.annotations.get_mut(link)
                && let Ok(old) = value.parse::<Digest>()
                && let Some(new) = self.converted.get(&old)
            {
                *value = new.digest.to_string();
            }
        }
    }
}

/// Replaces the entry of an image manifest by that of the converted one.
fn replace_entry(entry: &mut Descriptor, manifest: &ConvertedManifest) {
    if entry.digest != manifest.digest {
        entry.data = None;
    }
    OCI_MANIFEST.clone_into(&mut entry.media_type);
    entry.digest = manifest.digest;
    entry.size = manifest.size;
    entry.annotations.clone_from(&manifest.annotations);
}

/// Returns the image index before the conversion: that of the source without the missing manifests,
/// or a new one for an image of one manifest.
fn initial_index(
    root: &Descriptor,
    content: Root,
    platform: Option<Platform>,
    missing: &BTreeSet<Digest>,
) -> Index {
    let single = |mut entry: Descriptor| {
        entry.platform = entry.platform.or(platform);
        Index {
            schema_version: 2,
            media_type: OCI_INDEX.to_owned(),
            artifact_type: None,
            manifests: vec![entry],
            subject: None,
            annotations: BTreeMap::new(),
        }
    };
    match content {
        Root::Manifest(_) => single(root.clone()),
        Root::Index(mut index) => {
            let listed = index.manifests.len();
            index
                .manifests
                .retain(|entry| !missing.contains(&entry.digest));
            if listed > 1
                && let [only] = index.manifests.as_slice()
                && !is_index(&only.media_type)
            {
                return single(index.manifests.remove(0));
            }
            OCI_INDEX.clone_into(&mut index.media_type);
            *index
        }
    }
}

/// Returns whether a manifest is that of an image, which depends on the type of its configuration.
pub fn is_image(manifest: &Manifest) -> bool {
    let config = manifest.config.as_ref();
    config.is_some_and(|config| is_image_config(&config.media_type))
}

/// Adds a SOCI index to the entries of an image index, or replaces that of the same platform. The
/// SOCI index of another manifest in the list is not replaced.
fn list_soci_index(entries: &mut Vec<Descriptor>, indexed: &Indexed, manifest: Digest) {
    let mut entry = indexed.soci_index.reduced();
    entry.annotations = BTreeMap::from([(IMAGE_MANIFEST_DIGEST.to_owned(), manifest.to_string())]);
    entry.platform = Some(indexed.platform.clone());
    entry.artifact_type = Some(SOCI_INDEX_V2.to_owned());
    let is_same_platform = |other: &Descriptor| {
        other.artifact_type.as_deref() == Some(SOCI_INDEX_V2)
            && other
                .platform
                .as_ref()
                .is_some_and(|platform| indexed.platform.matches(platform))
    };
    let is_of_another_manifest = |other: &Descriptor| {
        let link = other.annotations.get(IMAGE_MANIFEST_DIGEST);
        let linked = link.and_then(|digest| digest.parse::<Digest>().ok());
        linked.is_some_and(|linked| {
            linked != manifest && entries.iter().any(|entry| entry.digest == linked)
        })
    };
    let replaced = entries
        .iter()
        .position(|other| is_same_platform(other) && !is_of_another_manifest(other));
    match replaced {
        Some(position) => entries[position] = entry,
        None => entries.push(entry),
    }
}

#[cfg(test)]
mod tests;
