//! The layers of an image, into the store.

use std::collections::BTreeMap;
use std::time::Instant;

use soci_cli::Failure;
use soci_document::{Document, LayerEntry, ManifestEntry, Timing};
use soci_layout::LayoutError;
use soci_oci::{Descriptor, Digest};
use soci_transport::{BlobReader, Source};

use crate::pull::Pull;

impl Pull {
    /// Stores the layers of an image: of a planned one those to be indexed, else all that the source holds.
    pub(crate) fn layers(&self, mut document: Document) -> Result<Document, Failure> {
        let started = Instant::now();
        let source = Source::open(&self.session, document.image.reference())?;
        let mut bytes = 0;
        for layer in wanted(&document).values() {
            // What was asked for is to be there, and to be what its name says.
            if self.store.has_blob(layer) {
                match self.store.verify_blob(layer) {
                    Ok(()) => continue,
                    Err(error) => {
                        tracing::warn!(target: "soci", layer = %layer.digest, "{error}; fetching it again");
                    }
                }
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
        let context = |failure: Failure| failure.context(format!("layer `{}`", layer.digest));
        let open = || {
            source
                .open_blob(layer)
                .map_err(Failure::from)
                .map_err(context)
        };
        let reader = open()?;
        let may_mend = reader.is_remote();
        match self.keep(reader, layer)? {
            Err(error @ LayoutError::Corrupt { .. }) if may_mend => {
                // Caches on the way have been seen to serve damaged content.
                tracing::warn!(target: "soci", layer = %layer.digest, "{error}; fetching it once more");
                self.keep(open()?, layer)?.map_err(Failure::from)
            }
            stored => stored.map_err(Failure::from),
        }
        .map_err(context)?;
        tracing::info!(target: "soci", layer = %layer.digest, bytes = layer.size, "stored");
        Ok(layer.size)
    }

    /// Stores the bytes of a layer. Damage is the inner error.
    fn keep(
        &self,
        mut reader: BlobReader,
        layer: &Descriptor,
    ) -> Result<Result<(), LayoutError>, Failure> {
        let bar = self.progress.bar(&layer.digest.short(), layer.size);
        let mut writer = self.store.blob_writer(layer)?;
        while let Some(piece) = reader
            .next_chunk()
            .map_err(|error| Failure::from(error).context(format!("layer `{}`", layer.digest)))?
        {
            bar.advance(piece.len() as u64);
            writer.write(&piece)?;
        }
        Ok(writer.commit())
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
