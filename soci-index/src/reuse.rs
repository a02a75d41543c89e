//! Ztocs that somebody has made of the same layers before, and that lie in a SOCI index somewhere.
//!
//! [`Search`] finds them, [`Offers`] takes them over. Whatever goes wrong on the way costs a layer its reuse and nothing
//! else: it is read and indexed as ever. A ztoc is taken over only if it is, byte for byte, what this tool writes for what
//! the ztoc says, and if nothing that shows without the layer speaks against it. That its entries and digests are those of
//! the layer is the word of whoever could push the index: the same who could push the image.

mod search;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use soci_cli::Failure;
use soci_document::{Classify as _, Exit};
use soci_layout::{Layout, LayoutError};
use soci_oci::{Descriptor, Digest, Reference};
use soci_transport::{Source, TransportError};
use soci_ztoc::{DecodeError, EncodeError, Provenance, ProvenanceError, ReaderViolation, Ztoc};

use crate::built::Built;
use crate::layer;
use crate::memory::Recipe;

pub(crate) use search::Search;

/// How many ztocs are tried for a layer.
const OFFERS: usize = 2;

/// The largest ztoc that is made, in bytes.
const LARGEST: u64 = 1 << 30;

/// A ztoc may be as large as this, in bytes, whatever the size of its layer.
const SMALL: u64 = 1 << 20;

/// The ztocs that there are, by the layer that they are said to be of.
#[derive(Default)]
pub(crate) struct Offers(BTreeMap<Digest, Vec<Offer>>);

/// A ztoc in a place.
struct Offer {
    place: Arc<Place>,
    ztoc: Descriptor,
}

/// Where SOCI indexes may lie.
struct Place {
    source: Source,
    /// Whether the image itself lies here.
    own: bool,
    /// It failed, and is not asked again.
    gone: AtomicBool,
}

/// Why a ztoc is not taken over.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it does not lie there")]
    Missing,
    #[error("it cannot be had")]
    Read(#[from] TransportError),
    #[error("it is malformed")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    #[error("it cannot be written again")]
    Encode(#[from] EncodeError),
    #[error("its bytes are not those that are written for its content")]
    Form,
    #[error("readers would fail on it: {0}")]
    Harm(ReaderViolation),
}

impl Offers {
    /// Enters a ztoc for a layer, unless it is there already or others are enough.
    fn enter(&mut self, layer: Digest, place: &Arc<Place>, ztoc: &Descriptor) {
        let offers = self.0.entry(layer).or_default();
        let known = offers.iter().any(|offer| offer.ztoc.digest == ztoc.digest);
        if !known && offers.len() < OFFERS {
            offers.push(Offer {
                place: Arc::clone(place),
                ztoc: ztoc.clone(),
            });
        }
    }

    /// Takes over a ztoc of `layer` that is what `recipe` would make, into the store. Nothing is returned where there is none.
    pub(crate) fn take(
        &self,
        layer: &Descriptor,
        recipe: &Recipe<'_>,
        store: &Layout,
    ) -> Result<Option<Built>, LayoutError> {
        for offer in self.0.get(&layer.digest).into_iter().flatten() {
            let Offer { place, ztoc } = offer;
            if place.gone.load(Ordering::Relaxed) {
                continue;
            }
            match offer.check(layer, recipe, store) {
                Ok((bytes, disable_xattrs)) => {
                    store.write_blob(&bytes)?;
                    let Descriptor { digest, size, .. } = *ztoc;
                    tracing::info!(target: "soci", layer = %layer.digest, ztoc = %digest, bytes = size, from = %place.source.reference(), "reused");
                    return Ok(Some(Built::Ztoc {
                        digest,
                        size,
                        disable_xattrs,
                    }));
                }
                Err(Refusal::Read(error)) if !is_odd(&error) => place.give_up(error),
                Err(refusal) => {
                    let refusal = chain(refusal);
                    tracing::info!(target: "soci", layer = %layer.digest, ztoc = %ztoc.digest, from = %place.source.reference(), "not reused: {refusal}");
                }
            }
        }
        Ok(None)
    }
}

impl Offer {
    /// Fetches the ztoc and checks it. Returns its bytes, and whether readers need not look for extended attributes.
    fn check(
        &self,
        layer: &Descriptor,
        recipe: &Recipe<'_>,
        store: &Layout,
    ) -> Result<(Vec<u8>, bool), Refusal> {
        let limit = most(layer);
        let bytes = match store.read_blob(&self.ztoc, limit) {
            Ok(bytes) => Some(bytes),
            Err(_) => self.place.source.read_blob(&self.ztoc, limit)?,
        };
        let bytes = bytes.ok_or(Refusal::Missing)?;
        let ztoc = Ztoc::decode(&bytes)?;
        ztoc.check_provenance(&Provenance {
            compressed_size: layer.size,
            compression: recipe.compression,
            span_size: recipe.span_size,
            build_tool_identifier: recipe.build_tool_identifier,
        })?;
        if ztoc.encode()? != bytes {
            return Err(Refusal::Form);
        }
        match layer::harm(layer, &ztoc) {
            Some((rule, _)) => Err(Refusal::Harm(rule)),
            None => Ok((bytes, ztoc.can_disable_xattrs())),
        }
    }
}

impl Place {
    /// Asks no more here, and says why: once, and as a warning only where the user has named the place.
    fn give_up(&self, error: TransportError) {
        if !self.gone.swap(true, Ordering::Relaxed) {
            tell(self.source.reference(), self.own, error);
        }
    }
}

/// Says that nothing can be taken over from a place.
fn tell(reference: &Reference, own: bool, error: TransportError) {
    let error = chain(error);
    if own {
        tracing::info!(target: "soci", from = %reference, "no index can be reused: {error}");
    } else {
        tracing::warn!(target: "soci", from = %reference, "no index can be reused: {error}");
    }
}

/// Returns the most bytes that are read for the ztoc of `layer`: to read a larger one saves nothing over reading the layer.
fn most(layer: &Descriptor) -> u64 {
    layer.size.clamp(SMALL, LARGEST)
}

/// Says whether an error speaks of the thing that was asked for alone, rather than of its place.
fn is_odd(error: &TransportError) -> bool {
    matches!(error.exit(), Exit::BadData | Exit::NotFound)
}

/// Returns an error with its causes on one line.
fn chain(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", Failure::new(Exit::BadData, error).error)
}
