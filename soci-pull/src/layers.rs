//! Stores the layers of an image.

use std::collections::BTreeMap;
use std::time::Instant;

use soci_cli::{Failure, ImageProgress};
use soci_document::{Document, LayerEntry, ManifestEntry};
use soci_layout::LayoutError;
use soci_oci::{Descriptor, Digest};
use soci_transport::{BlobReader, Source, TransportError};

use crate::pull::Puller;

impl Puller {
    /// Stores the layers of an image: of a planned document those to be indexed, else all layers
    /// that the source holds.
    pub(crate) fn store_layers(&self, document: &mut Document) -> Result<(), Failure> {
        let started = Instant::now();
        let source = Source::open(&self.session, document.image.reference())?;
        let mut bytes = 0;
        let layers = select_layers(document);
        let total = layers.values().map(|layer| layer.size);
        let total = total.fold(0, u64::saturating_add);
        let name = document.image.as_str();
        let image = self
            .progress
            .start_image(name, "layers", layers.len(), total);
        for layer in layers.values() {
            let _in_work = self.layers_in_work.claim([layer.digest]);
            if self.is_intact(layer) {
                tracing::debug!(layer = %layer.digest, "the store has the layer already");
                image.skip_part(layer.size);
                continue;
            }
            self.store_layer(&source, layer, &image).map_err(|error| {
                Failure::from(error).context_unless_named(format!("layer `{}`", layer.digest))
            })?;
            tracing::info!(layer = %layer.digest, bytes = layer.size, "stored");
            bytes += layer.size;
        }
        image.finish();
        let timing = document.timing.entry("pull".to_owned()).or_default();
        timing.seconds += started.elapsed().as_secs_f64();
        timing.bytes += bytes;
        Ok(())
    }

    /// Returns whether the store holds a layer, undamaged.
    fn is_intact(&self, layer: &Descriptor) -> bool {
        if !self.store.has_blob(layer) {
            return false;
        }
        let verified = self.store.verify_blob(layer);
        if let Err(error) = &verified {
            tracing::warn!(layer = %layer.digest, "{error}; fetching it again");
        }
        verified.is_ok()
    }

    /// Stores one layer. A layer that arrives damaged over a network is fetched once more, because
    /// caches between here and the registry may serve damaged content.
    fn store_layer(
        &self,
        source: &Source,
        layer: &Descriptor,
        image: &ImageProgress,
    ) -> Result<(), TransportError> {
        let reader = source.open_blob(layer)?;
        let is_remote = reader.is_remote();
        match self.copy_layer(reader, layer, image) {
            Err(TransportError::Layout(error @ LayoutError::Corrupt { .. })) if is_remote => {
                tracing::warn!(layer = %layer.digest, "{error}; fetching it once more");
                self.copy_layer(source.open_blob(layer)?, layer, image)
            }
            copied => copied,
        }
    }

    /// Copies the bytes of a layer into the store, which checks their digest.
    fn copy_layer(
        &self,
        mut reader: BlobReader,
        layer: &Descriptor,
        image: &ImageProgress,
    ) -> Result<(), TransportError> {
        let bar = image.start_part(&layer.digest.short(), layer.size);
        let mut writer = self.store.blob_writer(layer)?;
        while let Some(chunk) = reader.next_chunk()? {
            bar.advance(chunk.len() as u64);
            writer.write(&chunk)?;
        }
        writer.commit()?;
        bar.finish();
        Ok(())
    }
}

/// Returns the layers to store, each once.
fn select_layers(document: &Document) -> BTreeMap<Digest, &Descriptor> {
    let is_planned = document.plan.is_some();
    let manifests = |entry: &&ManifestEntry| !is_planned || entry.is_planned();
    let layers = |layer: &&LayerEntry| {
        if is_planned {
            layer.is_planned()
        } else {
            layer.held != Some(false)
        }
    };
    document
        .manifests
        .iter()
        .filter(manifests)
        .flat_map(|entry| entry.layers.iter().filter(layers))
        .map(|layer| (layer.descriptor.digest, &layer.descriptor))
        .collect()
}
