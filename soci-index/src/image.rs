//! Indexes one image: the ztocs of its layers, its SOCI indexes, and the converted image.

use std::collections::BTreeMap;
use std::time::Instant;

use soci_cli::{Failure, Progress};
use soci_document::{Document, Exit, IndexVersions, Indexing, ManifestEntry, Timing};
use soci_oci::manifest::Root;
use soci_oci::{Descriptor, Digest, Manifest};
use soci_transport::parse_manifest;

use crate::context::Context;
use crate::conversion::convert_image;
use crate::layer_key::LayerKey;
use crate::layers::{LayerBuilder, LayerOutcomes, planned_layers};
use crate::skipped::warn_of_skipped;
use crate::soci_index::IndexWriter;
use crate::strictness::check_layers;

/// Builds what the plan of a document asks for, and enters it into the document.
pub(crate) fn index_image(
    context: &Context,
    mut document: Document,
    progress: &Progress,
) -> Result<Document, Failure> {
    let started = Instant::now();
    let plan = document.plan.clone().ok_or_else(|| {
        Failure::message(Exit::BadData, "the document has no plan")
            .hint("pass it through soci-plan first")
    })?;
    if !document.has_planned_manifests() {
        return Ok(pass_through(document, plan.index_version));
    }
    let planned = document.manifests.iter().filter(|entry| entry.is_planned());
    let _in_work = (context.images_in_work).claim(planned.map(|entry| entry.descriptor.digest));
    let manifests = read_manifests(context, &document)?;
    let layers = planned_layers(&document);
    let bytes = layers.iter().map(|(_, layer)| layer.size);
    let bytes = bytes.fold(0, u64::saturating_add);
    let image = progress.start_image(document.image.as_str(), "layers", layers.len(), bytes);
    let outcomes = LayerBuilder::new(context, &document, &plan, &image).build_all(&layers)?;
    image.finish();
    check_layers(context.strictness, &layers, &outcomes)?;
    warn_of_skipped(document.image.as_str(), &layers, &outcomes);
    let writer = IndexWriter {
        context,
        plan: &plan,
        outcomes: &outcomes,
    };
    let mut indexed = Vec::new();
    let planned = document.manifests.iter_mut();
    for entry in planned.filter(|entry| entry.is_planned()) {
        indexed.extend(writer.index_manifest(entry)?);
    }
    document.converted = if !plan.index_version.has_v2() {
        Indexing::Pending
    } else if indexed.is_empty() {
        Indexing::Empty
    } else {
        Indexing::Done(convert_image(context, &document, &manifests, &indexed)?)
    };
    let timing = Timing {
        seconds: started.elapsed().as_secs_f64(),
        ..count_bytes(&layers, &outcomes)
    };
    document.timing.insert("index".to_owned(), timing);
    Ok(document)
}

/// Returns how many bytes of layers were read, and how many were not because the ztoc of the layer,
/// or that it can have none, was known.
fn count_bytes(layers: &[(LayerKey, Descriptor)], outcomes: &LayerOutcomes) -> Timing {
    let (mut bytes, mut reused) = (0_u64, 0_u64);
    for (key, layer) in layers {
        let is_known = outcomes
            .get(key)
            .is_some_and(|found| !found.origin.has_read_layer());
        let counted = if is_known { &mut reused } else { &mut bytes };
        // Sizes in a document may be wrong, so that their sum may exceed the type.
        *counted = counted.saturating_add(layer.size);
    }
    Timing {
        bytes,
        reused: Some(reused),
        ..Timing::default()
    }
}

/// Returns the document of an image of which no manifest is indexed. If the image is converted
/// already, it is its own converted image.
fn pass_through(mut document: Document, versions: IndexVersions) -> Document {
    document.converted = if !versions.has_v2() {
        Indexing::Pending
    } else if document.is_converted() {
        Indexing::Done(document.root.reduced())
    } else {
        Indexing::Empty
    };
    tracing::info!(image = document.image.as_str(), "unchanged");
    document
}

/// Reads the image manifests that `soci-pull` has stored.
///
/// # Errors
///
/// Returns an error if a manifest is not in the store, or if the document gives it other layers
/// than the manifest itself.
fn read_manifests(
    context: &Context,
    document: &Document,
) -> Result<BTreeMap<Digest, Manifest>, Failure> {
    let mut manifests = BTreeMap::new();
    let fetched = document.manifests.iter();
    for entry in fetched.filter(|entry| entry.config.is_some()) {
        let descriptor = &entry.descriptor;
        let bytes = context.read_manifest(descriptor)?;
        let Root::Manifest(manifest) = parse_manifest(&bytes, descriptor)? else {
            continue;
        };
        if !has_same_layers(entry, manifest.layers()) {
            let message = format_args!(
                "the layers of manifest `{}` are not those of the manifest in the store",
                descriptor.digest
            );
            return Err(Failure::message(Exit::BadData, message));
        }
        manifests.insert(descriptor.digest, *manifest);
    }
    Ok(manifests)
}

/// Returns whether an entry of the document lists exactly `layers`.
fn has_same_layers(entry: &ManifestEntry, layers: &[Descriptor]) -> bool {
    let listed = entry.layers.iter().map(|layer| &layer.descriptor);
    listed.eq(layers)
}
