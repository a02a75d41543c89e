//! Makes the document of an image that was named by its reference.

use std::collections::BTreeMap;

use soci_document::{
    Document, ImageReference, Indexing, LayerEntry, ManifestEntry, UnknownFields, VERSION,
};
use soci_oci::Descriptor;

use crate::image::{Image, ImageManifest};

/// Returns the document of an image. Nothing is in the store.
pub(crate) fn describe_image(reference: &ImageReference, image: &Image) -> Document {
    let others = image.others.iter().cloned().map(ManifestEntry::new);
    let mut manifests: Vec<ManifestEntry> = image.manifests.iter().map(describe_manifest).collect();
    manifests.extend(others);
    Document {
        version: VERSION,
        image: reference.clone(),
        root: image.root.clone(),
        plan: None,
        manifests,
        nested_indexes: image.nested.clone(),
        unchanged: false,
        converted: Indexing::Pending,
        check: None,
        push: None,
        timing: BTreeMap::new(),
        error: None,
        unknown_fields: UnknownFields::new(),
    }
}

fn describe_manifest(manifest: &ImageManifest) -> ManifestEntry {
    let layers: Vec<Descriptor> = manifest.manifest.layers().to_vec();
    ManifestEntry {
        platform: manifest.platform.clone(),
        config: manifest.manifest.config.clone(),
        artifact_type: manifest.manifest.artifact_type.clone(),
        layers: layers.into_iter().map(LayerEntry::new).collect(),
        ..ManifestEntry::new(manifest.descriptor.clone())
    }
}
