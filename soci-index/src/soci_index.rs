//! Writes the SOCI indexes of an image manifest.

use soci_cli::Failure;
use soci_document::{Exit, Indexes, Indexing, LayerEntry, ManifestEntry, Optimization, Plan};
use soci_oci::convert::Indexed;
use soci_oci::media_type::OCI_MANIFEST;
use soci_oci::soci::{
    CONFIG, DISABLE_XATTRS, prefetch_list, soci_index_v1, soci_index_v2, ztoc_descriptor,
};
use soci_oci::{Descriptor, Manifest};
use soci_ztoc::{SpanError, Ztoc};

use crate::context::Context;
use crate::layer_key::LayerKey;
use crate::layers::LayerOutcomes;
use crate::outcome::{LayerOutcome, StoredZtoc};
use crate::prefetch::PrefetchSearch;

/// Writes the SOCI indexes of one image's manifests into the store.
pub(crate) struct IndexWriter<'a> {
    pub(crate) context: &'a Context,
    pub(crate) plan: &'a Plan,
    pub(crate) outcomes: &'a LayerOutcomes,
}

impl IndexWriter<'_> {
    /// Writes the SOCI indexes of one manifest and enters them, with the ztocs of its layers, into
    /// the document. Returns what the converted image lists for the manifest, or `None` if there is
    /// no SOCI index of version 2.
    pub(crate) fn index_manifest(
        &self,
        entry: &mut ManifestEntry,
    ) -> Result<Option<Indexed>, Failure> {
        let mut blobs = self.enter_ztocs(entry)?;
        if blobs.is_empty() {
            let manifest = entry.descriptor.digest;
            // If the plan skips all layers, soci-plan has warned of it.
            if entry.layers.iter().any(LayerEntry::is_planned) {
                tracing::warn!(%manifest, "no layer has a ztoc, so there is no SOCI index");
            } else {
                tracing::debug!(%manifest, "the plan skips all layers, so there is no SOCI index");
            }
            entry.index = Indexing::Empty;
            return Ok(None);
        }
        entry.prefetch = self.write_prefetch_lists(entry)?;
        blobs.extend(entry.prefetch.iter().cloned());
        self.write_indexes(entry, &blobs)
    }

    /// Enters the outcome of each planned layer into the document. Returns the descriptors of the
    /// ztocs.
    fn enter_ztocs(&self, entry: &mut ManifestEntry) -> Result<Vec<Descriptor>, Failure> {
        let mut ztocs = Vec::new();
        for layer in entry.layers.iter_mut().filter(|layer| layer.is_planned()) {
            let Some(result) = self.outcomes.get(&LayerKey::of(&layer.descriptor)) else {
                let message = format!("layer `{}` was not built", layer.descriptor.digest);
                return Err(Failure::message(Exit::Internal, message));
            };
            match &result.outcome {
                LayerOutcome::Ztoc(stored) => {
                    let ztoc = self.describe_ztoc(&layer.descriptor, stored);
                    ztocs.push(ztoc.clone());
                    layer.ztoc = Indexing::Done(ztoc);
                    layer.reused = result.origin.reused();
                    layer.reused_from = result.origin.reused_from().map(str::to_owned);
                    layer.skipped = None;
                }
                LayerOutcome::Skipped(skipped) => {
                    layer.ztoc = Indexing::Empty;
                    layer.reused = None;
                    layer.reused_from = None;
                    layer.skipped = Some(skipped.reason);
                }
            }
        }
        Ok(ztocs)
    }

    /// Returns the descriptor under which SOCI indexes list the ztoc of a layer.
    fn describe_ztoc(&self, layer: &Descriptor, stored: &StoredZtoc) -> Descriptor {
        let mut ztoc = ztoc_descriptor(layer, stored.digest, stored.size, self.plan.span_size);
        if stored.disable_xattrs && self.plan.optimizations.contains(&Optimization::Xattr) {
            ztoc.annotations
                .insert(DISABLE_XATTRS.to_owned(), "true".to_owned());
        }
        ztoc
    }

    /// Writes the lists of spans to fetch before the container starts, in the order of the layers.
    fn write_prefetch_lists(&self, entry: &ManifestEntry) -> Result<Vec<Descriptor>, Failure> {
        let paths = &self.plan.prefetch_files;
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.context.store;
        let bad_data = |error: SpanError| Failure::new(Exit::BadData, error);
        let mut search = PrefetchSearch::new(paths);
        for layer in entry.layers.iter().rev() {
            if let Some(ztoc) = layer.ztoc.as_done() {
                let bytes = store.read_blob(ztoc, ztoc.size)?;
                let ztoc = Ztoc::decode_within(bytes, u64::MAX)
                    .map_err(|error| Failure::new(Exit::BadData, error))?;
                let layer = layer.descriptor.digest;
                search.visit_layer(layer, &ztoc).map_err(bad_data)?;
            }
        }
        for path in search.not_found() {
            tracing::warn!(path, "no indexed layer has the file to prefetch");
        }
        let mut lists = Vec::new();
        for layer in &entry.layers {
            let layer = layer.descriptor.digest;
            if let Some(spans) = search.take_spans(layer) {
                let (descriptor, bytes) = prefetch_list(layer, spans);
                store.write_blob(&bytes)?;
                lists.push(descriptor);
            }
        }
        Ok(lists)
    }

    /// Writes the SOCI indexes over `blobs`, the ztocs and prefetch lists.
    fn write_indexes(
        &self,
        entry: &mut ManifestEntry,
        blobs: &[Descriptor],
    ) -> Result<Option<Indexed>, Failure> {
        self.context.store.write_blob(CONFIG)?;
        let versions = self.plan.index_version;
        let tool = &self.context.build_tool_identifier;
        let v1 = versions
            .has_v1()
            .then(|| self.write_index(&soci_index_v1(blobs, &entry.descriptor, tool)))
            .transpose()?;
        let v2 = versions
            .has_v2()
            .then(|| self.write_index(&soci_index_v2(blobs, tool)))
            .transpose()?;
        entry.index = Indexing::Done(Indexes { v1, v2: v2.clone() });
        let platform = entry.planned_platform().cloned();
        Ok(v2.zip(platform).map(|(soci_index, platform)| Indexed {
            manifest: entry.descriptor.digest,
            platform,
            soci_index,
        }))
    }

    /// Writes one SOCI index and returns its descriptor.
    fn write_index(&self, index: &Manifest) -> Result<Descriptor, Failure> {
        let bytes = index.to_bytes();
        self.context.store.write_blob(&bytes)?;
        Ok(Descriptor::of(OCI_MANIFEST, &bytes))
    }
}
