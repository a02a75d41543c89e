//! The ztocs of the layers of one image: found in the cache, reused from a SOCI index, or built.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use soci_cli::{Failure, ImageProgress, Share, run_parallel};
use soci_document::{Document, Exit, Plan};
use soci_oci::Descriptor;
use soci_transport::{BlobReader, Source};

use crate::cache::{CacheKey, ReusedZtoc, ZtocCache};
use crate::context::{Context, Reuse};
use crate::layer::{LayerError, ZtocBuild};
use crate::layer_key::{LayerKey, compression};
use crate::outcome::{LayerOutcome, LayerResult, OutcomeOrigin};
use crate::priority::Priority;
use crate::reuse::{Candidates, ReuseContext, Search};
use crate::trust::{SourceId, trusted_sources};

/// How many ztocs are fetched and checked at the same time, in addition to the layers that are
/// read.
const CONCURRENT_REUSES: usize = 8;

/// The outcome of each layer.
pub(crate) type LayerOutcomes = BTreeMap<LayerKey, LayerResult>;

/// Returns the layers to index, each once, in the order in which they are started: the largest
/// first, since it takes the longest.
pub(crate) fn planned_layers(document: &Document) -> Vec<(LayerKey, Descriptor)> {
    let manifests = document.manifests.iter().filter(|entry| entry.is_planned());
    let layers = manifests.flat_map(|entry| entry.layers.iter().filter(|layer| layer.is_planned()));
    let unique: BTreeMap<LayerKey, Descriptor> = layers
        .map(|layer| (LayerKey::of(&layer.descriptor), layer.descriptor.clone()))
        .collect();
    let mut layers: Vec<_> = unique.into_iter().collect();
    layers.sort_by_key(|(_, layer)| Reverse(layer.size));
    layers
}

/// What the cache has for a layer.
enum Cached {
    Absent,
    /// What an earlier run has built.
    Built(LayerOutcome),
    /// What an earlier run has taken from a source that this run trusts.
    Reused(ReusedZtoc),
}

/// Builds the ztocs of the layers of one image.
pub(crate) struct LayerBuilder<'a> {
    context: &'a Context,
    document: &'a Document,
    plan: &'a Plan,
    progress: &'a ImageProgress,
    /// The sources whose ztocs may be reused.
    trusted: Vec<SourceId>,
    /// The share of the image in what bounds how many layers are read at a time.
    reading: Share<'a>,
    /// The source of the image, opened when the first layer is read from it.
    source: OnceLock<Source>,
}

impl<'a> LayerBuilder<'a> {
    /// Returns a builder for the layers of `document`.
    pub(crate) fn new(
        context: &'a Context,
        document: &'a Document,
        plan: &'a Plan,
        progress: &'a ImageProgress,
    ) -> Self {
        Self {
            context,
            document,
            plan,
            progress,
            trusted: trusted_sources(document),
            reading: context.reading.share(),
            source: OnceLock::new(),
        }
    }

    /// Returns a ztoc for each of `layers`, which are sorted by size: from the cache, else from a
    /// SOCI index, else built from the layer.
    pub(crate) fn build_all(
        &self,
        layers: &[(LayerKey, Descriptor)],
    ) -> Result<LayerOutcomes, Failure> {
        let mut remaining = layers.to_vec();
        let mut outcomes = LayerOutcomes::new();
        let mut candidates = Candidates::default();
        if self.context.reuse != Reuse::Never {
            (outcomes, candidates) = self.look_up_cache(layers)?;
            remaining.retain(|(key, _)| !outcomes.contains_key(key));
            candidates.merge(self.find_candidates(&remaining));
            candidates.warn_of_conflicts(self.document.image.as_str());
        }
        let largest = remaining.first().map(|(_, layer)| layer.digest);
        // A ztoc that is offered is fetched while other layers are read.
        let threads = if candidates.is_empty() {
            self.context.jobs
        } else {
            self.context.jobs.saturating_add(CONCURRENT_REUSES)
        };
        let built = run_parallel(&remaining, threads, |layer, stop| {
            let priority = if largest == Some(layer.digest) {
                Priority::Critical
            } else {
                Priority::Background
            };
            self.complete_layer(layer, &candidates, priority, stop)
                .map_err(|failure| {
                    failure.context_unless_named(format!("layer `{}`", layer.digest))
                })
        })?;
        outcomes.extend(built);
        Ok(outcomes)
    }

    /// Returns the outcomes that are in the cache, and the ztocs in it that are still to be proved.
    fn look_up_cache(
        &self,
        layers: &[(LayerKey, Descriptor)],
    ) -> Result<(LayerOutcomes, Candidates), Failure> {
        let cache = ZtocCache::new(&self.context.store);
        let entries = run_parallel(layers, self.context.jobs, |layer, _| {
            let key = self.cache_key(layer);
            let max_size = self.context.max_ztoc_size;
            let built = cache.get_built(&key);
            Ok(match built.filter(|outcome| outcome.holds_for(max_size)) {
                Some(outcome) => Cached::Built(outcome),
                None => cache
                    .get_reused(&key, &self.trusted)
                    .filter(|reused| reused.ztoc.size <= max_size)
                    .map_or(Cached::Absent, Cached::Reused),
            })
        })?;
        let mut outcomes = LayerOutcomes::new();
        let mut unproved = Candidates::default();
        for (key, cached) in entries {
            let (outcome, origin) = match cached {
                Cached::Absent => continue,
                Cached::Reused(reused) if self.context.reuse == Reuse::IfProved => {
                    unproved.add_stored(key.digest, reused);
                    continue;
                }
                Cached::Reused(ReusedZtoc {
                    ztoc, reused_from, ..
                }) => (
                    LayerOutcome::Ztoc(ztoc),
                    OutcomeOrigin::StoreFrom(reused_from),
                ),
                Cached::Built(outcome) => (outcome, OutcomeOrigin::Store),
            };
            match &outcome {
                LayerOutcome::Ztoc(_) => {
                    let from = origin.reused_from();
                    tracing::info!(layer = %key.digest, from, "ztoc found in the cache");
                }
                LayerOutcome::Skipped(skipped) => skipped.log(key.digest),
            }
            outcomes.insert(key, LayerResult { outcome, origin });
            let layer = layers.iter().find(|(found, _)| *found == key);
            self.progress
                .skip_part(layer.map_or(0, |(_, layer)| layer.size));
        }
        Ok((outcomes, unproved))
    }

    /// Searches existing SOCI indexes for ztocs of the layers. A layer that is in the store is left
    /// out, because it takes less time to scan it than to search for its ztoc.
    fn find_candidates(&self, layers: &[(LayerKey, Descriptor)]) -> Candidates {
        let is_remote = |layer: &&Descriptor| !self.context.store.has_blob(layer);
        let layers = layers.iter().map(|(_, layer)| layer);
        let wanted: Vec<&Descriptor> = layers.filter(is_remote).collect();
        if wanted.is_empty() {
            return Candidates::default();
        }
        Search::new(self.context, self.document, self.plan, &wanted).run()
    }

    /// Returns the ztoc of a layer that was not in the cache. If another image of this run works on
    /// the layer, its ztoc is awaited, so that the layer is read once.
    fn complete_layer(
        &self,
        layer: &Descriptor,
        candidates: &Candidates,
        priority: Priority,
        stop: &AtomicBool,
    ) -> Result<LayerResult, Failure> {
        let read = || {
            let _reading = self.reading.acquire();
            self.build_and_prove(layer, candidates, priority, stop)
        };
        if self.context.reuse == Reuse::Never {
            return read();
        }
        let key = LayerKey::of(layer);
        let _in_work = self.context.layers_in_work.claim([key]);
        let (mut found, _) = self.look_up_cache(&[(key, layer.clone())])?;
        if let Some(found) = found.remove(&key) {
            return Ok(found);
        }
        match self.reuse(layer, candidates)? {
            Some(reused) => Ok(reused),
            None => read(),
        }
    }

    /// Reuses a candidate for the ztoc of a layer, and puts it into the cache.
    fn reuse(
        &self,
        layer: &Descriptor,
        candidates: &Candidates,
    ) -> Result<Option<LayerResult>, Failure> {
        if self.context.reuse != Reuse::IfFound {
            return Ok(None);
        }
        let key = self.cache_key(layer);
        let reuse = ReuseContext {
            context: self.context,
            image: self.document.image.as_str(),
            trusted: &self.trusted,
        };
        let reused = candidates.reuse(layer, &key, reuse)?;
        let max_size = self.context.max_ztoc_size;
        let reused = reused.filter(|reused| reused.ztoc.size <= max_size);
        Ok(reused.map(|reused| {
            self.progress.skip_part(layer.size);
            ZtocCache::new(&self.context.store).insert_reused(&key, &reused);
            LayerResult {
                outcome: LayerOutcome::Ztoc(reused.ztoc),
                origin: OutcomeOrigin::SociIndex(reused.reused_from),
            }
        }))
    }

    /// Builds the ztoc of a layer, puts it into the cache, and compares it with the candidates if
    /// these are to be proved.
    fn build_and_prove(
        &self,
        layer: &Descriptor,
        candidates: &Candidates,
        priority: Priority,
        stop: &AtomicBool,
    ) -> Result<LayerResult, Failure> {
        let store = &self.context.store;
        let key = self.cache_key(layer);
        let outcome = self.build(&ZtocBuild {
            layer,
            key: &key,
            priority,
            store,
            max_ztoc_size: self.context.max_ztoc_size,
            large_tables: &self.context.large_tables,
            stop,
        })?;
        ZtocCache::new(store).insert_built(&key, &outcome);
        let proved = match self.context.reuse {
            Reuse::IfProved => candidates.prove(self.document.image.as_str(), layer, &outcome),
            Reuse::IfFound | Reuse::Never => None,
        };
        let origin = proved.map_or(OutcomeOrigin::Built, OutcomeOrigin::Proved);
        Ok(LayerResult { outcome, origin })
    }

    /// Builds the ztoc of a layer. A layer that arrives damaged over a network is read once more,
    /// because caches between here and the registry may serve damaged content.
    fn build(&self, build: &ZtocBuild<'_>) -> Result<LayerOutcome, Failure> {
        let layer = build.layer;
        let read = |reader, large_table| {
            let bar = self.progress.start_part(&layer.digest.short(), layer.size);
            let outcome = build.run(reader, &bar, large_table)?;
            bar.finish();
            Ok(outcome)
        };
        let reader = self.open_layer(layer)?;
        let is_remote = reader.is_remote();
        match read(reader, None) {
            Err(error @ LayerError::Digest { .. }) if is_remote => {
                tracing::warn!(layer = %layer.digest, "{error}; reading it once more");
                let large_table = self.context.large_tables.wait();
                Ok(read(self.open_layer(layer)?, Some(large_table))?)
            }
            // While it waits, this thread holds neither a connection nor memory.
            Err(LayerError::TwoLargeTables) => {
                let large_table = self.context.large_tables.wait();
                Ok(read(self.open_layer(layer)?, Some(large_table))?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Opens a layer in the store, or else in the source of the image.
    fn open_layer(&self, layer: &Descriptor) -> Result<BlobReader, Failure> {
        let reader = match BlobReader::from_store(&self.context.store, layer)? {
            Some(stored) => stored,
            None => self.open_source()?.open_blob(layer)?,
        };
        Ok(reader.with_budget(&self.context.memory))
    }

    /// Returns the source of the image.
    fn open_source(&self) -> Result<&Source, Failure> {
        if self.source.get().is_none() {
            let image = self.document.image.reference();
            // Another thread may have set it first; its source is then used, and this one dropped.
            drop(self.source.set(Source::open(&self.context.session, image)?));
        }
        self.source
            .get()
            .ok_or_else(|| Failure::message(Exit::Internal, "the source is not open"))
    }

    /// Returns the key of a layer in the cache: all that determines its ztoc.
    fn cache_key(&self, layer: &Descriptor) -> CacheKey<'_> {
        CacheKey {
            layer: layer.digest,
            compression: compression(layer),
            span_size: self.plan.span_size,
            build_tool_identifier: &self.context.build_tool_identifier,
        }
    }
}
