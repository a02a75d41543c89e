//! Conversion for SOCI version 2: an image index whose image manifests name their SOCI indexes.
//!
//! The result is that of `soci convert`, byte for byte, but for harm avoided: SOCI indexes and attestations of the source
//! stay as they are (only their links follow the manifest they speak of), inline `data` of a manifest that changed goes
//! away, and entries that the source does not hold are dropped.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::Root;
use crate::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SOCI_INDEX_V2, is_soci_index};
use crate::soci::{IMAGE_MANIFEST_DIGEST, INDEX_DIGEST};
use crate::{Descriptor, Digest, Index, Manifest, Platform};

/// On an attestation's entry in an image index: the digest of the image manifest that it attests.
const ATTESTED_DIGEST: &str = "vnd.docker.reference.digest";
/// On an attestation's entry in an image index: what it is.
const ATTESTATION_TYPE: &str = "vnd.docker.reference.type";

/// An image to convert.
pub struct Source<'a> {
    /// The descriptor of what the reference resolved to.
    pub root: &'a Descriptor,
    /// What the reference resolved to.
    pub content: Root,
    /// For an image of one manifest: the platform of its configuration, in normal form.
    pub platform: Option<Platform>,
    /// The manifests that were fetched, by digest. Others are left as they are.
    pub manifests: &'a BTreeMap<Digest, Manifest>,
    /// The manifests that the source lists and does not hold.
    pub missing: &'a BTreeSet<Digest>,
}

/// The SOCI index of one image manifest.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The digest of the image manifest in the source.
    pub manifest: Digest,
    /// The platform as it was asked for.
    pub platform: Platform,
    /// The descriptor of the version 2 SOCI index.
    pub soci_index: Descriptor,
}

/// A converted image.
pub struct Converted {
    /// The image index.
    pub root: Descriptor,
    /// The image index's bytes.
    pub bytes: Vec<u8>,
    /// The manifests that changed, with their bytes.
    pub manifests: Vec<(Descriptor, Vec<u8>)>,
}

/// Says whether the entry of an image index is an attestation about another entry.
pub fn is_attestation(entry: &Descriptor) -> bool {
    entry.annotations.contains_key(ATTESTATION_TYPE)
}

/// Says whether the entry of an image index, or what it points at, is a SOCI index of either version.
pub fn is_soci_entry(entry: &Descriptor, manifest: Option<&Manifest>) -> bool {
    let config = manifest.and_then(|manifest| manifest.config.as_ref());
    entry.artifact_type.as_deref().is_some_and(is_soci_index)
        || config.is_some_and(|config| is_soci_index(&config.media_type))
}

/// Converts an image: every fetched image manifest becomes an OCI manifest, the indexed ones name their SOCI index, and
/// the SOCI indexes become entries of the image index.
pub fn convert(source: Source<'_>, indexed: &[Indexed]) -> Converted {
    let mut index = start(source.root, source.content, source.platform, source.missing);
    let mut manifests = Vec::new();
    let mut renamed = BTreeMap::new();
    for entry in &mut index.manifests {
        let Some(manifest) = source.manifests.get(&entry.digest) else {
            continue;
        };
        if is_attestation(entry) || is_soci_entry(entry, Some(manifest)) || !is_image(manifest) {
            continue;
        }
        let soci_index = indexed
            .iter()
            .find(|indexed| indexed.manifest == entry.digest);
        let (descriptor, bytes) = rewrite(entry, manifest, soci_index);
        renamed.insert(entry.digest, descriptor.digest);
        manifests.push((descriptor.clone(), bytes));
        *entry = descriptor;
    }
    for entry in &mut index.manifests {
        follow(entry, &renamed);
    }
    for indexed in indexed {
        place(
            &mut index.manifests,
            indexed,
            renamed
                .get(&indexed.manifest)
                .copied()
                .unwrap_or(indexed.manifest),
        );
    }
    let bytes = index.to_bytes();
    Converted {
        root: Descriptor::of(OCI_INDEX, &bytes),
        bytes,
        manifests,
    }
}

/// Returns the image index that the conversion starts from.
fn start(
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
            if index.manifests.len() == 1 && listed > 1 {
                return single(index.manifests.remove(0));
            }
            OCI_INDEX.clone_into(&mut index.media_type);
            *index
        }
    }
}

/// Says whether a manifest is that of an image: it has a configuration of one.
pub fn is_image(manifest: &Manifest) -> bool {
    let image_config = |config: &Descriptor| {
        matches!(
            config.media_type.as_str(),
            OCI_CONFIG | crate::media_type::DOCKER_CONFIG
        )
    };
    manifest.config.as_ref().is_some_and(image_config)
}

/// Returns an image manifest as an OCI manifest that names its SOCI index, and the entry for it.
fn rewrite(
    entry: &Descriptor,
    manifest: &Manifest,
    indexed: Option<&Indexed>,
) -> (Descriptor, Vec<u8>) {
    let mut manifest = manifest.clone();
    OCI_MANIFEST.clone_into(&mut manifest.media_type);
    if let Some(config) = &mut manifest.config {
        OCI_CONFIG.clone_into(&mut config.media_type);
    }
    if let Some(indexed) = indexed {
        manifest.annotations.insert(
            INDEX_DIGEST.to_owned(),
            indexed.soci_index.digest.to_string(),
        );
    }
    let bytes = manifest.to_bytes();
    let mut descriptor = Descriptor::of(OCI_MANIFEST, &bytes);
    descriptor.urls.clone_from(&entry.urls);
    descriptor.annotations = manifest.annotations;
    descriptor.platform.clone_from(&entry.platform);
    descriptor.artifact_type.clone_from(&entry.artifact_type);
    if descriptor.digest == entry.digest {
        descriptor.data.clone_from(&entry.data);
    }
    (descriptor, bytes)
}

/// Lets the link of an attestation or a SOCI index follow the manifest that it speaks of.
fn follow(entry: &mut Descriptor, renamed: &BTreeMap<Digest, Digest>) {
    for link in [ATTESTED_DIGEST, IMAGE_MANIFEST_DIGEST] {
        if let Some(value) = entry.annotations.get_mut(link)
            && let Some(new) = value.parse().ok().and_then(|old: Digest| renamed.get(&old))
        {
            *value = new.to_string();
        }
    }
}

/// Enters a SOCI index into the entries of an image index, in place of an older one for the same platform.
fn place(entries: &mut Vec<Descriptor>, indexed: &Indexed, manifest: Digest) {
    let mut entry = indexed.soci_index.reduced();
    entry.annotations = BTreeMap::from([(IMAGE_MANIFEST_DIGEST.to_owned(), manifest.to_string())]);
    entry.platform = Some(indexed.platform.clone());
    entry.artifact_type = Some(SOCI_INDEX_V2.to_owned());
    let same = |other: &&mut Descriptor| {
        other.artifact_type.as_deref() == Some(SOCI_INDEX_V2)
            && other
                .platform
                .as_ref()
                .is_some_and(|platform| indexed.platform.matches(platform))
    };
    match entries.iter_mut().find(same) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
}
