//! Checks how the image manifests, the image index and the SOCI indexes of version 2 name each
//! other.

use soci_oci::convert::is_attestation;
use soci_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, SOCI_INDEX_V2};
use soci_oci::soci::{IMAGE_MANIFEST_DIGEST, INDEX_DIGEST};
use soci_oci::{Descriptor, Digest, layer};

use crate::findings::Findings;
use crate::image::{Image, ImageManifest};
use crate::rules::chain::{
    ATTESTATION, DOCKER_CONFIG, DOCKER_LAYER, ENTRY_ANNOTATION, ENTRY_FIRST, ENTRY_PLATFORM,
    ENTRY_TYPE, INDEX_DIGEST as INDEX_DIGEST_RULE, LINK, NOT_LISTED, NOT_NAMED, NOT_OCI, ORPHAN,
};

/// Annotation of an attestation in an image index: the digest of the attested image manifest.
const ATTESTED_DIGEST: &str = "vnd.docker.reference.digest";

/// The SOCI index of version 2 that an image manifest names.
pub(crate) enum Link<'a> {
    /// The manifest names none.
    None,
    /// The image index lists it.
    Listed(&'a Descriptor),
    /// No index lists it.
    Unlisted(Digest),
}

/// Returns the SOCI index of version 2 that a manifest names, and checks its entry in the image
/// index.
pub(crate) fn find_link<'a>(
    image: &'a Image,
    manifest: &ImageManifest,
    findings: &mut Findings,
) -> Link<'a> {
    let own = manifest.descriptor.digest;
    let siblings = image.siblings(manifest);
    let Some(named) = manifest.manifest.annotations.get(INDEX_DIGEST) else {
        if let Some(entry) = siblings.iter().find(|entry| is_soci_index_of(entry, own)) {
            let what = format!(
                "manifest `{own}` has no annotation `{INDEX_DIGEST}`, but SOCI index `{}` is listed for it",
                entry.digest
            );
            findings.add(NOT_NAMED.found(what).in_manifest(own));
        }
        return Link::None;
    };
    let Ok(digest) = named.parse::<Digest>() else {
        let what = format!("manifest `{own}` names the SOCI index `{named}`");
        findings.add(INDEX_DIGEST_RULE.found(what).in_manifest(own));
        return Link::None;
    };
    check_entry_annotation(manifest, named, findings);
    check_media_types(image, manifest, findings);
    let position = siblings.iter().position(|entry| entry.digest == digest);
    let Some((position, entry)) = position.and_then(|at| Some((at, siblings.get(at)?))) else {
        if image.is_index() {
            let what = format!("SOCI index `{digest}` of manifest `{own}` is not listed");
            findings.add(NOT_LISTED.found(what).in_manifest(own));
        }
        return Link::Unlisted(digest);
    };
    check_entry(entry, manifest, findings);
    if let (Some(of_image), true) = (manifest.entry, is_same_platform(entry, manifest))
        && position < of_image.position
    {
        let what = format!("SOCI index `{digest}` is listed before manifest `{own}`");
        findings.add(ENTRY_FIRST.found(what).in_manifest(own));
    }
    Link::Listed(entry)
}

/// Returns whether an entry is the SOCI index of an image manifest, by its own annotation.
fn is_soci_index_of(entry: &Descriptor, manifest: Digest) -> bool {
    let named = entry.annotations.get(IMAGE_MANIFEST_DIGEST);
    named.is_some_and(|named| named.parse() == Ok(manifest))
}

/// Checks the entry of a SOCI index in the image index.
fn check_entry(entry: &Descriptor, manifest: &ImageManifest, findings: &mut Findings) {
    let own = manifest.descriptor.digest;
    let artifact_type = entry.artifact_type.as_deref().unwrap_or_default();
    if artifact_type != SOCI_INDEX_V2 || entry.media_type != OCI_MANIFEST {
        let what = format!(
            "the entry of SOCI index `{}` has artifactType `{artifact_type}` and mediaType `{}`, expected `{SOCI_INDEX_V2}` and `{OCI_MANIFEST}`",
            entry.digest, entry.media_type
        );
        findings.add(ENTRY_TYPE.found(what).in_manifest(own));
    }
    if !is_soci_index_of(entry, own) {
        let named = entry.annotations.get(IMAGE_MANIFEST_DIGEST);
        let what = format!(
            "the entry of SOCI index `{}` names image manifest `{}`, expected `{own}`",
            entry.digest,
            named.map_or("", String::as_str)
        );
        findings.add(LINK.found(what).in_manifest(own));
    }
    if !is_same_platform(entry, manifest) {
        let name = |platform: Option<&soci_oci::Platform>| {
            platform.map_or_else(|| "none".to_owned(), ToString::to_string)
        };
        let what = format!(
            "the entry of SOCI index `{}` has platform {}, expected {}",
            entry.digest,
            name(entry.platform.as_ref()),
            name(manifest.platform.as_ref())
        );
        findings.add(ENTRY_PLATFORM.found(what).in_manifest(own));
    }
}

/// Returns whether an entry has the platform of an image. The platform that a user asked for may
/// leave out the version and features of the operating system.
fn is_same_platform(entry: &Descriptor, manifest: &ImageManifest) -> bool {
    let (Some(listed), Some(own)) = (&entry.platform, &manifest.platform) else {
        return entry.platform.is_none() && manifest.platform.is_none();
    };
    let mut plain = own.clone();
    plain.os_features.clear();
    plain.os_version = listed.os_version.clone().or(plain.os_version);
    listed.matches(&plain)
}

/// Checks that the entry of an image manifest does not name another SOCI index.
fn check_entry_annotation(manifest: &ImageManifest, named: &str, findings: &mut Findings) {
    let own = manifest.descriptor.digest;
    let listed = manifest.descriptor.annotations.get(INDEX_DIGEST);
    if let Some(listed) = listed.filter(|listed| *listed != named) {
        let what = format!(
            "the entry of manifest `{own}` names SOCI index `{listed}`, and the manifest itself `{named}`"
        );
        findings.add(ENTRY_ANNOTATION.found(what).in_manifest(own));
    }
}

/// Checks the media types of an image manifest that names a SOCI index, and of what it names.
fn check_media_types(image: &Image, manifest: &ImageManifest, findings: &mut Findings) {
    let own = manifest.descriptor.digest;
    let entry = manifest.descriptor.media_type.as_str();
    let list = image.root.media_type.as_str();
    for (digest, media_type, expected) in [
        (own, manifest.manifest.media_type.as_str(), OCI_MANIFEST),
        (own, entry, OCI_MANIFEST),
        (
            image.root.digest,
            if image.is_index() { list } else { OCI_INDEX },
            OCI_INDEX,
        ),
    ] {
        if media_type != expected {
            let what =
                format!("manifest `{digest}` has mediaType `{media_type}`, expected `{expected}`");
            findings.add(NOT_OCI.found(what).in_manifest(own));
            break;
        }
    }
    let config = manifest.manifest.config.as_ref();
    if let Some(config) = config.filter(|config| config.media_type != OCI_CONFIG) {
        let what = format!(
            "configuration `{}` has mediaType `{}`",
            config.digest, config.media_type
        );
        findings.add(DOCKER_CONFIG.found(what).in_manifest(own));
    }
    let mut layers = manifest.manifest.layers().iter();
    let is_docker = |layer: &&Descriptor| {
        layer::is_layer(&layer.media_type) && layer.media_type.contains("docker")
    };
    if let Some(layer) = layers.find(is_docker) {
        let what = format!(
            "layer `{}` has mediaType `{}`",
            layer.digest, layer.media_type
        );
        findings.add(DOCKER_LAYER.found(what).in_manifest(own));
    }
}

/// Checks the entries of SOCI indexes and attestations whose image the same index must list.
pub(crate) fn check_lists(image: &Image, findings: &mut Findings) {
    for list in &image.lists {
        let lists = |digest: &str| list.iter().any(|entry| digest.parse() == Ok(entry.digest));
        for entry in list {
            if entry.artifact_type.as_deref() == Some(SOCI_INDEX_V2) {
                let named = entry.annotations.get(IMAGE_MANIFEST_DIGEST);
                let named = named.map_or("", String::as_str);
                if !lists(named) {
                    let what = format!(
                        "SOCI index `{}` is listed for image manifest `{named}`",
                        entry.digest
                    );
                    findings.add(ORPHAN.found(what));
                }
            } else if is_attestation(entry)
                && let Some(named) = entry.annotations.get(ATTESTED_DIGEST)
                && !lists(named)
            {
                let what = format!("attestation `{}` is of manifest `{named}`", entry.digest);
                findings.add(ATTESTATION.found(what));
            }
        }
    }
}
