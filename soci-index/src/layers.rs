//! The layers of one image: what is known of them already, and the reading of the others.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use soci_cli::{Failure, Progress, in_parallel};
use soci_document::{Document, Exit, Plan};
use soci_oci::layer::LayerCompression;
use soci_oci::{Descriptor, Digest};
use soci_transport::{BlobReader, Source};
use soci_ztoc::Compression;

use crate::built::Built;
use crate::image::Indexer;
use crate::layer;
use crate::layer::{LayerError, Rank};
use crate::memory::{self, Recipe};
use crate::reuse::{Offers, Search};

/// A layer is built once for each way to read it, however many manifests have it.
pub(crate) type LayerKey = (Digest, bool);

/// Returns the layers to index, each once, the largest first: it is the one that the others wait for.
pub(crate) fn planned(document: &Document) -> Vec<(LayerKey, Descriptor)> {
    let planned = document.manifests.iter().filter(|entry| entry.is_planned());
    let layers = planned.flat_map(|entry| entry.layers.iter().filter(|layer| layer.is_planned()));
    let unique: BTreeMap<LayerKey, Descriptor> = layers
        .map(|layer| (key(&layer.descriptor), layer.descriptor.clone()))
        .collect();
    let mut layers: Vec<_> = unique.into_iter().collect();
    layers.sort_by_key(|(_, layer)| std::cmp::Reverse(layer.size));
    layers
}

/// Returns what tells a layer apart from the others.
pub(crate) fn key(layer: &Descriptor) -> LayerKey {
    (layer.digest, compression(layer) == Compression::Gzip)
}

/// Returns how a layer is read, by its media type alone. One that no plan would choose is read as it is.
fn compression(layer: &Descriptor) -> Compression {
    match LayerCompression::of(&layer.media_type) {
        LayerCompression::Gzip => Compression::Gzip,
        LayerCompression::Tar
        | LayerCompression::Encrypted
        | LayerCompression::Unsupported
        | LayerCompression::Unknown => Compression::Uncompressed,
    }
}

impl Indexer {
    /// Sees to a ztoc of each layer: one that was built before, here or elsewhere, or else a new one.
    pub(crate) fn layers(
        &self,
        document: &Document,
        plan: &Plan,
        layers: &[(LayerKey, Descriptor)],
        progress: &Progress,
    ) -> Result<BTreeMap<LayerKey, Built>, Failure> {
        let mut layers = layers.to_vec();
        let mut pass = Pass {
            indexer: self,
            document,
            plan,
            progress,
            offers: Offers::default(),
            longest: None,
            source: OnceLock::new(),
        };
        let mut known = BTreeMap::new();
        if self.reuse {
            known = pass.remembered(&layers)?;
            layers.retain(|(key, _)| !known.contains_key(key));
            pass.offers = pass.offers(&layers);
        }
        pass.longest = layers.first().map(|(_, layer)| layer.digest);
        let built = in_parallel(&layers, self.jobs, |layer, stop| {
            pass.layer(layer, stop)
                .map_err(|failure| failure.context(format!("layer `{}`", layer.digest)))
        })?;
        known.extend(built);
        Ok(known)
    }
}

/// The work on the layers of one image.
struct Pass<'a> {
    indexer: &'a Indexer,
    document: &'a Document,
    plan: &'a Plan,
    progress: &'a Progress,
    /// The ztocs that are there for layers which the store does not remember.
    offers: Offers,
    /// The largest layer that is left to see to.
    longest: Option<Digest>,
    /// Where the image lies, once a layer is read from there.
    source: OnceLock<Source>,
}

impl Pass<'_> {
    /// Returns what the store remembers of the layers.
    fn remembered(
        &self,
        layers: &[(LayerKey, Descriptor)],
    ) -> Result<BTreeMap<LayerKey, Built>, Failure> {
        let store = &self.indexer.store;
        let recalled = in_parallel(layers, self.indexer.jobs, |layer, _| {
            Ok(memory::recall(store, &self.recipe(layer)))
        })?;
        let mut known = BTreeMap::new();
        for (key, built) in recalled {
            if let Some(built) = built {
                tracing::info!(target: "soci", layer = %key.0, "built before");
                known.insert(key, built);
            }
        }
        Ok(known)
    }

    /// Looks for ztocs of the layers in the indexes that there are. A layer that lies in the store is sooner read than looked
    /// for.
    fn offers(&self, layers: &[(LayerKey, Descriptor)]) -> Offers {
        let here = |layer: &&Descriptor| self.indexer.store.has_blob(layer);
        let layers = layers.iter().map(|(_, layer)| layer);
        let wanted: Vec<&Descriptor> = layers.filter(|layer| !here(layer)).collect();
        if wanted.is_empty() {
            return Offers::default();
        }
        let search = Search::new(self.indexer, self.document, self.plan, &wanted);
        search.look(self.document.image.reference())
    }

    /// Sees to the ztoc of one layer that the store does not remember.
    fn layer(&self, layer: &Descriptor, stop: &AtomicBool) -> Result<Built, Failure> {
        let store = &self.indexer.store;
        let recipe = self.recipe(layer);
        let built = if let Some(built) = self.offers.take(layer, &recipe, store)? {
            built
        } else {
            self.build(layer, &recipe, stop)?
        };
        memory::remember(store, &recipe, &built);
        Ok(built)
    }

    /// Reads a layer and builds its ztoc. One that came damaged over a network is read once more: caches on the way have been
    /// seen to serve such.
    fn build(
        &self,
        layer: &Descriptor,
        recipe: &Recipe<'_>,
        stop: &AtomicBool,
    ) -> Result<Built, Failure> {
        let rank = match self.longest {
            Some(longest) if longest == layer.digest => Rank::Longest,
            _ => Rank::Other,
        };
        let read = |reader| {
            let bar = self.progress.bar(&layer.digest.short(), layer.size);
            let store = &self.indexer.store;
            layer::build((layer, rank), recipe, reader, store, (&bar, stop))
        };
        let reader = self.open(layer)?;
        let is_remote = reader.is_remote();
        match read(reader) {
            Err(error @ LayerError::Digest { .. }) if is_remote => {
                tracing::warn!(target: "soci", layer = %layer.digest, "{error}; reading it once more");
                Ok(read(self.open(layer)?)?)
            }
            built => Ok(built?),
        }
    }

    /// Opens a layer in the store, or else in the source.
    fn open(&self, layer: &Descriptor) -> Result<BlobReader, Failure> {
        let Indexer { session, store, .. } = self.indexer;
        if store.has_blob(layer) {
            let stored = BlobReader::from_file(store.open_blob(layer)?);
            return Ok(stored.with_budget(&self.indexer.pieces));
        }
        if self.source.get().is_none() {
            // Another worker may have been faster; one of the two sources is as good as the other.
            let image = self.document.image.reference();
            drop(self.source.set(Source::open(session, image)?));
        }
        let source = self.source.get();
        let source =
            source.ok_or_else(|| Failure::message(Exit::Internal, "the source is not open"))?;
        Ok(source.open_blob(layer)?.with_budget(&self.indexer.pieces))
    }

    /// Returns what determines the ztoc of a layer.
    fn recipe(&self, layer: &Descriptor) -> Recipe<'_> {
        Recipe {
            layer: layer.digest,
            compression: compression(layer),
            span_size: self.plan.span_size,
            build_tool_identifier: &self.indexer.build_tool_identifier,
        }
    }
}
