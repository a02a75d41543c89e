//! Conversion of an image for SOCI version 2.
//!
//! The result is an image index in which each image manifest names its SOCI index in an annotation.
//! It has the same bytes as that of `soci convert`, with three exceptions that avoid broken images:
//!
//! - SOCI indexes and attestations of the source keep their bytes. Only the annotation that names
//!   their image manifest is updated.
//! - The inline `data` of a changed manifest is removed.
//! - Entries that the source does not hold are removed.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::Root;
use crate::media_type::{
    OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SOCI_INDEX_V2, is_image_config, is_soci_index,
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
    /// The manifests that the index lists but the source does not hold.
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
    /// The changed manifests, with their bytes.
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
/// their SOCI index, and the SOCI indexes are listed in the image index.
pub fn convert(source: Source<'_>, indexed: &[Indexed]) -> Converted {
    let mut index = initial_index(source.root, source.content, source.platform, source.missing);
    let mut manifests = Vec::new();
    let mut new_digests = BTreeMap::new();
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
        let (descriptor, bytes) = convert_manifest(entry, manifest, soci_index);
        new_digests.insert(entry.digest, descriptor.digest);
        manifests.push((descriptor.clone(), bytes));
        *entry = descriptor;
    }
    for entry in &mut index.manifests {
        update_links(entry, &new_digests);
    }
    for indexed in indexed {
        let manifest = new_digests
            .get(&indexed.manifest)
            .copied()
            .unwrap_or(indexed.manifest);
        list_soci_index(&mut index.manifests, indexed, manifest);
    }
    let bytes = index.to_bytes();
    Converted {
        root: Descriptor::of(OCI_INDEX, &bytes),
        bytes,
        manifests,
    }
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
            if index.manifests.len() == 1 && listed > 1 {
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

/// Returns an image manifest as an OCI manifest that names its SOCI index, and its descriptor for
/// the image index.
fn convert_manifest(
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

/// Updates the annotation of an attestation or a SOCI index that names its image manifest.
fn update_links(entry: &mut Descriptor, new_digests: &BTreeMap<Digest, Digest>) {
    for link in [ATTESTED_DIGEST, IMAGE_MANIFEST_DIGEST] {
        if let Some(value) = entry.annotations.get_mut(link)
            && let Some(new) = value
                .parse()
                .ok()
                .and_then(|old: Digest| new_digests.get(&old))
        {
            *value = new.to_string();
        }
    }
}

/// Adds a SOCI index to the entries of an image index, or replaces that of the same platform.
fn list_soci_index(entries: &mut Vec<Descriptor>, indexed: &Indexed, manifest: Digest) {
    let mut entry = indexed.soci_index.reduced();
    entry.annotations = BTreeMap::from([(IMAGE_MANIFEST_DIGEST.to_owned(), manifest.to_string())]);
    entry.platform = Some(indexed.platform.clone());
    entry.artifact_type = Some(SOCI_INDEX_V2.to_owned());
    let same_platform = |other: &&mut Descriptor| {
        other.artifact_type.as_deref() == Some(SOCI_INDEX_V2)
            && other
                .platform
                .as_ref()
                .is_some_and(|platform| indexed.platform.matches(platform))
    };
    match entries.iter_mut().find(same_platform) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(layer: &str) -> Manifest {
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{OCI_CONFIG}","digest":"{0}","size":2}},"layers":[{{"mediaType":"{layer}","digest":"{0}","size":2}}]}}"#,
            Digest::of(b"{}")
        );
        serde_json::from_str(&text).expect("a manifest")
    }

    fn entry(manifest: &Manifest, platform: &str) -> Descriptor {
        let mut entry = Descriptor::of(OCI_MANIFEST, &manifest.to_bytes());
        entry.platform = Some(platform.parse().expect("a platform"));
        entry.data = Some("e30=".to_owned());
        entry
    }

    fn attestation(of: &Descriptor) -> (Descriptor, Manifest) {
        let attestation = manifest("application/vnd.in-toto+json");
        let mut entry = entry(&attestation, "unknown/unknown");
        entry.annotations.insert(
            ATTESTATION_TYPE.to_owned(),
            "attestation-manifest".to_owned(),
        );
        entry
            .annotations
            .insert(ATTESTED_DIGEST.to_owned(), of.digest.to_string());
        (entry, attestation)
    }

    fn index(entries: &[Descriptor]) -> Index {
        let text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}"}}"#);
        let mut index: Index = serde_json::from_str(&text).expect("an index");
        index.manifests = entries.to_vec();
        index
    }

    fn converted(
        entries: &[Descriptor],
        manifests: &[Manifest],
        missing: &[Digest],
        indexed: &[Indexed],
    ) -> Index {
        let index = index(entries);
        let root = Descriptor::of(OCI_INDEX, &index.to_bytes());
        let manifests = manifests
            .iter()
            .map(|manifest| (Digest::of(&manifest.to_bytes()), manifest.clone()))
            .collect();
        let missing = missing.iter().copied().collect();
        let content = Root::Index(Box::new(index));
        let source = Source {
            root: &root,
            content,
            platform: None,
            manifests: &manifests,
            missing: &missing,
        };
        serde_json::from_slice(&convert(source, indexed).bytes).expect("an index")
    }

    fn indexed(entry: &Descriptor, content: &[u8]) -> Indexed {
        let platform = entry.platform.clone().expect("a platform");
        Indexed {
            manifest: entry.digest,
            platform,
            soci_index: Descriptor::of(OCI_MANIFEST, content),
        }
    }

    #[test]
    fn attestations_name_the_converted_manifest_and_keep_their_bytes() {
        let image = manifest("a");
        let image_entry = entry(&image, "linux/amd64");
        let (attestation_entry, attestation) = attestation(&image_entry);
        let entries = [image_entry.clone(), attestation_entry.clone()];
        let result = converted(
            &entries,
            &[image, attestation],
            &[],
            &[indexed(&image_entry, b"soci")],
        );
        let [image, attested, soci] = result.manifests.as_slice() else {
            panic!("three entries")
        };
        assert_ne!(image.digest, image_entry.digest);
        assert_eq!(
            image.data, None,
            "the inline content is that of the old manifest"
        );
        assert_eq!(attested.digest, attestation_entry.digest);
        assert_eq!(
            attested.annotations[ATTESTED_DIGEST],
            image.digest.to_string()
        );
        assert_eq!(
            soci.annotations[IMAGE_MANIFEST_DIGEST],
            image.digest.to_string()
        );
        assert_eq!(image.annotations[INDEX_DIGEST], soci.digest.to_string());
    }

    #[test]
    fn a_second_conversion_adds_a_platform() {
        let (one, two) = (manifest("a"), manifest("b"));
        let entries = [entry(&one, "linux/amd64"), entry(&two, "linux/arm64")];
        let both = [
            indexed(&entries[0], b"soci 1"),
            indexed(&entries[1], b"soci 2"),
        ];
        let first = converted(&entries, &[one.clone(), two.clone()], &[], &both[..1]);
        let mut amd64 = one;
        amd64
            .annotations
            .clone_from(&first.manifests[0].annotations);
        let second = indexed(&first.manifests[1], b"soci 2");
        let later = converted(&first.manifests, &[amd64, two], &[], &[second]);
        assert_eq!(
            later.manifests[2], first.manifests[2],
            "the index of the first platform stays"
        );
        assert_eq!(later.manifests[3].platform, entries[1].platform);
    }

    #[test]
    fn missing_manifests_are_removed() {
        let image = manifest("a");
        let entries = [
            entry(&image, "linux/amd64"),
            entry(&manifest("b"), "linux/arm64"),
        ];
        let result = converted(
            &entries,
            &[image],
            &[entries[1].digest],
            &[indexed(&entries[0], b"soci")],
        );
        assert!(
            result
                .manifests
                .iter()
                .all(|entry| entry.digest != entries[1].digest)
        );
    }
}
