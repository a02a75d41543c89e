//! Conversion for SOCI version 2: an image index whose image manifests name their SOCI indexes.
//!
//! The result is that of `soci convert`, byte for byte, but for harm avoided: SOCI indexes and attestations of the source
//! stay as they are (only their links follow the manifest they speak of), inline `data` of a manifest that changed goes
//! away, and entries that the source does not hold are dropped.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::Root;
use crate::media_type::{
    OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SOCI_INDEX_V2, is_image_config, is_soci_index,
};
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
    let config = manifest.config.as_ref();
    config.is_some_and(|config| is_image_config(&config.media_type))
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
    fn attestations_follow_their_image_and_keep_their_bytes() {
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
    fn another_platform_can_be_added_later() {
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
    fn what_the_source_does_not_hold_goes() {
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
