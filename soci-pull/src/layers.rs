//! The layers of an image, into the store.

use std::collections::BTreeMap;
use std::time::Instant;

use soci_cli::Failure;
use soci_document::{Document, LayerEntry, ManifestEntry, Timing};
use soci_oci::{Descriptor, Digest};
use soci_transport::Source;

use crate::pull::{Pull, parse};

impl Pull {
    /// Stores the layers of an image: of a planned one those to be indexed, else all that the source holds.
    pub(crate) fn layers(&self, mut document: Document) -> Result<Document, Failure> {
        let started = Instant::now();
        let reference = parse(&document.image)?;
        let source = Source::open(&self.session, &reference)?;
        let mut bytes = 0;
        for layer in wanted(&document).values() {
            if self.store.has(layer) {
                continue;
            }
            bytes += self.layer(&source, layer)?;
        }
        let timing = document.timing.entry("pull".to_owned()).or_insert(Timing {
            seconds: 0.0,
            bytes: 0,
        });
        timing.seconds += started.elapsed().as_secs_f64();
        timing.bytes += bytes;
        Ok(document)
    }

    /// Stores one layer and returns how many bytes were read.
    fn layer(&self, source: &Source, layer: &Descriptor) -> Result<u64, Failure> {
        let context = || format!("layer `{}`", layer.digest);
        let bar = self.progress.bar(&layer.digest.short(), layer.size);
        let mut reader = source
            .blob(layer)
            .map_err(|error| Failure::from(error).context(context()))?;
        let mut writer = self.store.blob_writer(layer)?;
        while let Some(piece) = reader
            .next_piece()
            .map_err(|error| Failure::from(error).context(context()))?
        {
            bar.advance(piece.len() as u64);
            writer.write(&piece)?;
        }
        writer
            .commit()
            .map_err(|error| Failure::from(error).context(context()))?;
        tracing::info!(target: "soci", layer = %layer.digest, bytes = layer.size, "stored");
        Ok(layer.size)
    }
}

/// Returns the layers to store, each once.
fn wanted(document: &Document) -> BTreeMap<Digest, Descriptor> {
    let planned = document.plan.is_some();
    let manifest = |entry: &&ManifestEntry| !planned || entry.is_planned();
    let layer = |layer: &&LayerEntry| {
        if planned {
            layer.is_planned()
        } else {
            layer.held != Some(false)
        }
    };
    let manifests = document.manifests.iter().filter(manifest);
    let layers = manifests.flat_map(|entry| entry.layers.iter().filter(layer));
    layers
        .map(|layer| (layer.descriptor.digest, layer.descriptor.clone()))
        .collect()
}
