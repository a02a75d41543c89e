//! Checks what decides whether readers use a SOCI index at all: the registry, the platform, the
//! compression of the layers, and the size of the image.

use soci_document::{CheckedManifest, HumanSize, IndexVersion};
use soci_oci::layer::LayerCompression;
use soci_oci::{Descriptor, Platform, Reference};
use soci_transport::is_ecr_private;

use crate::findings::Findings;
use crate::image::{Image, ImageManifest};
use crate::rules::use_of_index as rules;
use crate::tag::CheckedTag;

/// The compressed size in bytes below which lazy loading seldom helps (ECS developer guide, "Lazy
/// loading container images using SOCI").
const SMALL_IMAGE: u64 = 250 << 20;

/// The kind of registry that an image is in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RegistryKind {
    /// A private registry of Amazon ECR.
    Ecr,
    /// A layout or archive, from which the image may go to any registry.
    Layout,
    /// Another registry, by its host name.
    Other(String),
}

impl RegistryKind {
    pub(crate) fn of(reference: &Reference) -> Self {
        match reference {
            Reference::Registry(reference) if is_ecr_private(&reference.registry) => Self::Ecr,
            Reference::Registry(reference) => Self::Other(reference.registry.clone()),
            Reference::Layout { .. }
            | Reference::Archive { .. }
            | Reference::DockerArchive { .. } => Self::Layout,
        }
    }

    /// Checks that Fargate loads images lazily from the registry.
    pub(crate) fn check(&self, findings: &mut Findings) {
        match self {
            Self::Ecr => {}
            Self::Layout => {
                findings.add(rules::NOT_IN_REGISTRY.found("the image is in a layout or archive"));
            }
            Self::Other(host) => {
                let what = format!("registry `{host}` is not a private one of Amazon ECR");
                findings.add(rules::NOT_ECR.found(what));
            }
        }
    }
}

/// Returns whether Fargate runs images for a platform. Without a platform, it may.
pub(crate) fn is_on_fargate(platform: Option<&Platform>) -> bool {
    platform.is_none_or(|platform| {
        let platform = platform.normalized();
        platform.os == "linux" && matches!(platform.architecture.as_str(), "amd64" | "arm64")
    })
}

/// Checks whether readers use the SOCI indexes of a tag.
pub(crate) fn check_use(image: &Image, checked: &CheckedTag, findings: &mut Findings) {
    if image.manifests.is_empty() {
        let what = format!("`{}` names no image to check", image.root.digest);
        findings.add(rules::NOT_AN_IMAGE.found(what));
        return;
    }
    let platforms = image
        .manifests
        .iter()
        .map(|manifest| manifest.platform.as_ref());
    if !platforms.clone().any(is_on_fargate) {
        let names = platforms.flatten().map(ToString::to_string);
        let what = format!("the image is for {}", names.collect::<Vec<_>>().join(", "));
        findings.add(rules::NOT_ON_FARGATE.found(what));
    }
    for (manifest, checked) in image.manifests.iter().zip(&checked.manifests) {
        check_versions(manifest, checked, findings);
        check_layers(manifest, checked, findings);
    }
}

/// Checks that a manifest has a SOCI index, and one of version 2.
fn check_versions(manifest: &ImageManifest, checked: &CheckedManifest, findings: &mut Findings) {
    let (own, name) = (manifest.descriptor.digest, name_of(manifest));
    let has_version_2 = has_version(checked, IndexVersion::V2);
    if checked.indexes.is_empty() {
        let what = format!("{name} has no SOCI index");
        findings.add(rules::NO_INDEX.found(what).in_manifest(own));
    } else if !has_version_2 {
        let what = format!("{name} has only a SOCI index of version 1");
        findings.add(rules::ONLY_VERSION_1.found(what).in_manifest(own));
    }
}

/// Returns the platform of a manifest, or else its digest.
fn name_of(manifest: &ImageManifest) -> String {
    match &manifest.platform {
        Some(platform) => platform.to_string(),
        None => format!("manifest `{}`", manifest.descriptor.digest),
    }
}

/// Returns whether a manifest has a SOCI index of a version.
pub(crate) fn has_version(checked: &CheckedManifest, version: IndexVersion) -> bool {
    checked.indexes.iter().any(|index| index.version == version)
}

/// Checks the layers of a manifest that has a SOCI index.
fn check_layers(manifest: &ImageManifest, checked: &CheckedManifest, findings: &mut Findings) {
    let (own, name) = (manifest.descriptor.digest, name_of(manifest));
    for layer in manifest.manifest.layers() {
        if let Some(what) = describe_unindexable(layer) {
            let is_zstd = layer.media_type.ends_with("zstd");
            let rule = if is_zstd {
                rules::ZSTD_LAYER
            } else {
                rules::OTHER_LAYER
            };
            let what = format!("layer `{}` {what}", layer.digest);
            findings.add(rule.found(what).in_manifest(own).in_layer(layer.digest));
        }
    }
    let layers = checked.layers;
    if layers.lazy < layers.count && !checked.indexes.is_empty() {
        let what = format!(
            "{} of {} layers of {name} have no usable ztoc",
            layers.count - layers.lazy,
            layers.count
        );
        findings.add(rules::UNCOVERED.found(what).in_manifest(own));
    }
    if layers.bytes < SMALL_IMAGE {
        let what = format!("{name} has {} of layers", HumanSize(layers.bytes));
        findings.add(rules::SMALL_IMAGE.found(what).in_manifest(own));
    }
}

/// Describes why no ztoc can describe a layer. Returns `None` if one can.
fn describe_unindexable(layer: &Descriptor) -> Option<String> {
    match LayerCompression::of(&layer.media_type) {
        LayerCompression::Gzip | LayerCompression::Tar => None,
        LayerCompression::Encrypted => Some("is encrypted".to_owned()),
        LayerCompression::Unsupported | LayerCompression::Unknown => {
            Some(format!("has mediaType `{}`", layer.media_type))
        }
    }
}
