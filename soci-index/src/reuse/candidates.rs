//! The ztocs that are offered for the layers of an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use soci_layout::LayoutError;
use soci_oci::{Descriptor, Digest};

use crate::cache::{CacheKey, ReusedZtoc, ZtocCache};
use crate::context::Context;
use crate::outcome::{LayerOutcome, StoredZtoc};
use crate::reuse::check::{Rejection, ZtocCheck};
use crate::reuse::source::{ReuseSource, format_chain, is_remote_content_error};
use crate::trust::{SourceId, absolute_reference};

/// How many ztocs are kept for a layer. Two are enough to tell that the offers differ.
const MAX_CANDIDATES: usize = 2;

/// The ztocs that were found, by the layer that each is for according to its SOCI index.
#[derive(Default)]
pub(crate) struct Candidates(BTreeMap<Digest, Offers>);

/// The different ztocs that are offered for one layer.
#[derive(Default)]
struct Offers {
    /// The first of them, each once.
    first: Vec<Candidate>,
    /// How many more offers there are that differ from these.
    more: usize,
}

/// A ztoc that is offered for a layer.
struct Candidate {
    ztoc: Descriptor,
    /// The image whose SOCI index lists it.
    from: String,
    /// The source to read it from, or `None` if an earlier run has put it into the store.
    source: Option<Arc<ReuseSource>>,
}

/// What is needed to reuse the ztocs of one image.
#[derive(Clone, Copy)]
pub(crate) struct ReuseContext<'a> {
    pub(crate) context: &'a Context,
    /// The reference of the image, for messages.
    pub(crate) image: &'a str,
    /// The sources that this run trusts.
    pub(crate) trusted: &'a [SourceId],
}

impl Candidates {
    /// Adds a ztoc that a SOCI index of `source` lists for a layer.
    pub(crate) fn add(&mut self, layer: Digest, source: &Arc<ReuseSource>, ztoc: &Descriptor) {
        self.add_candidate(layer, ztoc.digest, || Candidate {
            ztoc: ztoc.clone(),
            from: absolute_reference(source.reference()).to_string(),
            source: Some(Arc::clone(source)),
        });
    }

    /// Adds a ztoc that an earlier run has put into the store.
    pub(crate) fn add_stored(&mut self, layer: Digest, reused: ReusedZtoc) {
        let StoredZtoc { digest, size, .. } = reused.ztoc;
        self.add_candidate(layer, digest, || Candidate {
            ztoc: Descriptor::new("", digest, size),
            from: reused.reused_from,
            source: None,
        });
    }

    fn add_candidate(
        &mut self,
        layer: Digest,
        ztoc: Digest,
        candidate: impl FnOnce() -> Candidate,
    ) {
        let Offers { first, more } = self.0.entry(layer).or_default();
        if first.iter().any(|known| known.ztoc.digest == ztoc) {
            return;
        }
        if first.len() < MAX_CANDIDATES {
            first.push(candidate());
        } else {
            *more += 1;
        }
    }

    /// Returns whether no ztoc is offered.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the candidates of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        for (layer, offers) in other.0 {
            for candidate in offers.first {
                self.add_candidate(layer, candidate.ztoc.digest, || candidate);
            }
            self.0.entry(layer).or_default().more += offers.more;
        }
    }

    /// Warns of each layer for which different ztocs are offered. A layer has one ztoc for the
    /// options of a run, so that at most one of them is right.
    pub(crate) fn warn_of_conflicts(&self, image: &str) {
        for (layer, offers) in &self.0 {
            let [one, other] = offers.first.as_slice() else {
                continue;
            };
            let more = match offers.more {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            tracing::warn!(
                image,
                hint = "find out with soci-check which of the sources has a wrong SOCI index, and push it again",
                "layer `{layer}`: two different ztocs are offered: `{}` by {} and `{}` by {}{more}; none is reused, and the layer is read",
                one.ztoc.digest,
                one.from,
                other.ztoc.digest,
                other.from,
            );
        }
    }

    /// Copies the ztoc that is offered for `layer` into the store, if it passes the checks. Returns
    /// `None` if there is no such ztoc, or if different ones are offered.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written.
    pub(crate) fn reuse(
        &self,
        layer: &Descriptor,
        key: &CacheKey<'_>,
        reuse: ReuseContext<'_>,
    ) -> Result<Option<ReusedZtoc>, LayoutError> {
        let offers = self.0.get(&layer.digest);
        let Some([candidate]) = offers.map(|offers| offers.first.as_slice()) else {
            return Ok(None);
        };
        let Candidate { ztoc, from, source } = candidate;
        let Some(source) = source.as_ref().filter(|source| !source.has_failed()) else {
            return Ok(None);
        };
        if let Some(untrusted) = find_untrusted_source(ztoc.digest, reuse) {
            tracing::info!(layer = %layer.digest, ztoc = %ztoc.digest, %from, "not reused: an earlier run with this store took it from {}, which this run does not name", untrusted.as_str());
            return Ok(None);
        }
        let check = ZtocCheck {
            source: &source.source,
            ztoc,
            layer,
            key,
            context: reuse.context,
        };
        match check.run() {
            Ok(checked) => {
                let stored = checked.write()?;
                tracing::info!(layer = %layer.digest, ztoc = %ztoc.digest, bytes = ztoc.size, %from, "reused");
                Ok(Some(ReusedZtoc {
                    ztoc: stored,
                    reused_from: from.clone(),
                    source: SourceId::of(source.reference()),
                }))
            }
            Err(Rejection::Read(error)) if !is_remote_content_error(&error) => {
                source.fail(*error);
                Ok(None)
            }
            Err(rejection @ Rejection::Decode(_)) => {
                let (image, reason) = (reuse.image, format_chain(rejection));
                tracing::warn!(
                    image,
                    hint = "find out who pushed its SOCI index, and remove it",
                    "the ztoc `{}` from {from} for layer `{}` is not reused: {reason}",
                    ztoc.digest,
                    layer.digest
                );
                Ok(None)
            }
            Err(rejection) => {
                let reason = format_chain(rejection);
                tracing::info!(layer = %layer.digest, ztoc = %ztoc.digest, %from, "not reused: {reason}");
                Ok(None)
            }
        }
    }

    /// Compares the ztocs that are offered for `layer` with what was built from it, and warns of
    /// each other one. Returns the image that offers the right one, if any does.
    pub(crate) fn prove(
        &self,
        image: &str,
        layer: &Descriptor,
        built: &LayerOutcome,
    ) -> Option<String> {
        let digest = match built {
            LayerOutcome::Ztoc(ztoc) => Some(ztoc.digest),
            LayerOutcome::Skipped(_) => None,
        };
        let offers = self.0.get(&layer.digest)?;
        let mut proved = None;
        for Candidate { ztoc, from, .. } in &offers.first {
            if Some(ztoc.digest) == digest {
                tracing::info!(layer = %layer.digest, ztoc = %ztoc.digest, %from, "proved");
                proved.get_or_insert_with(|| from.clone());
                continue;
            }
            let instead = digest.map_or_else(
                || "the layer can have none".to_owned(),
                |built| format!("`{built}` was built instead"),
            );
            tracing::warn!(
                image,
                hint = "find out who pushed its SOCI index, and remove it",
                "the ztoc `{}` from {from} is not that of layer `{}`: {instead}",
                ztoc.digest,
                layer.digest,
            );
        }
        proved
    }
}

/// Returns the source that an earlier run took a ztoc from, if this run does not trust that source.
/// The ztoc may be in a trusted repository now only because that run has pushed it there.
fn find_untrusted_source(ztoc: Digest, reuse: ReuseContext<'_>) -> Option<SourceId> {
    let source = ZtocCache::new(&reuse.context.store).source_of(ztoc)?;
    (!reuse.trusted.contains(&source)).then_some(source)
}
