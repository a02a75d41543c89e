//! The ztocs that may be reused, and the checks that they must pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use soci_layout::{Layout, LayoutError};
use soci_oci::{Descriptor, Digest};
use soci_transport::TransportError;
use soci_ztoc::{DecodeError, EncodeError, Provenance, ProvenanceError, ReaderViolation, Ztoc};

use crate::cache::CacheKey;
use crate::outcome::StoredZtoc;
use crate::reuse::source::{ReuseSource, format_chain, is_remote_content_error};
use crate::violations::find_blocking_rules;

/// How many ztocs are tried for a layer.
const MAX_CANDIDATES: usize = 2;

/// The largest ztoc that this tool builds, in bytes.
const MAX_BUILT_ZTOC: u64 = 1 << 30;

/// A ztoc of this many bytes is read however small its layer is.
const SMALL_ZTOC: u64 = 1 << 20;

/// The ztocs that were found, by the layer that each is for according to its SOCI index.
#[derive(Default)]
pub(crate) struct Candidates(BTreeMap<Digest, Vec<Candidate>>);

/// A ztoc in a source.
struct Candidate {
    source: Arc<ReuseSource>,
    ztoc: Descriptor,
}

/// A ztoc that has passed all checks.
struct CheckedZtoc {
    bytes: Vec<u8>,
    disable_xattrs: bool,
}

/// Why a ztoc is not reused.
#[derive(Debug, thiserror::Error)]
enum Rejection {
    #[error("it is not in the source")]
    Missing,
    #[error("it cannot be read")]
    Read(#[from] TransportError),
    #[error("it is malformed")]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    #[error("it cannot be encoded again")]
    Encode(#[from] EncodeError),
    #[error("this tool would write other bytes for its content")]
    Encoding,
    #[error("readers would fail on it: {0}")]
    Violation(ReaderViolation),
}

/// Returns the size in bytes up to which a ztoc of `layer` is read: to read a larger one saves
/// nothing over reading the layer. It is never below [`SMALL_ZTOC`].
pub(crate) fn max_ztoc_size(layer: &Descriptor) -> u64 {
    layer.size.clamp(SMALL_ZTOC, MAX_BUILT_ZTOC)
}

impl Candidates {
    /// Adds a ztoc for a layer, unless it is known or the layer has enough candidates.
    pub(crate) fn add(&mut self, layer: Digest, source: &Arc<ReuseSource>, ztoc: &Descriptor) {
        let candidates = self.0.entry(layer).or_default();
        let is_known = candidates
            .iter()
            .any(|candidate| candidate.ztoc.digest == ztoc.digest);
        if !is_known && candidates.len() < MAX_CANDIDATES {
            candidates.push(Candidate {
                source: Arc::clone(source),
                ztoc: ztoc.clone(),
            });
        }
    }

    /// Copies the first candidate for `layer` that passes the checks into the store. Returns `None`
    /// if there is no such candidate.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be written.
    pub(crate) fn reuse(
        &self,
        layer: &Descriptor,
        key: &CacheKey<'_>,
        store: &Layout,
    ) -> Result<Option<StoredZtoc>, LayoutError> {
        for Candidate { source, ztoc } in self.0.get(&layer.digest).into_iter().flatten() {
            if source.has_failed() {
                continue;
            }
            let from = source.reference();
            match check(source, ztoc, layer, key, store) {
                Ok(checked) => {
                    store.write_blob_as(ztoc.digest, &checked.bytes)?;
                    let Descriptor { digest, size, .. } = *ztoc;
                    tracing::info!(layer = %layer.digest, ztoc = %digest, bytes = size, %from, "reused");
                    return Ok(Some(StoredZtoc {
                        digest,
                        size,
                        disable_xattrs: checked.disable_xattrs,
                    }));
                }
                Err(Rejection::Read(error)) if !is_remote_content_error(&error) => {
                    source.fail(error);
                }
                Err(rejection) => {
                    let reason = format_chain(rejection);
                    tracing::info!(layer = %layer.digest, ztoc = %ztoc.digest, %from, "not reused: {reason}");
                }
            }
        }
        Ok(None)
    }
}

/// Reads a candidate and checks that it may be what this tool would build under `key`.
fn check(
    source: &ReuseSource,
    ztoc: &Descriptor,
    layer: &Descriptor,
    key: &CacheKey<'_>,
    store: &Layout,
) -> Result<CheckedZtoc, Rejection> {
    let limit = max_ztoc_size(layer);
    let bytes = match store.read_blob(ztoc, limit) {
        Ok(bytes) => Some(bytes),
        Err(_) => source.source.read_blob(ztoc, limit)?,
    };
    let bytes = bytes.ok_or(Rejection::Missing)?;
    let ztoc = Ztoc::decode(&bytes)?;
    ztoc.check_provenance(&Provenance {
        compressed_size: layer.size,
        compression: key.compression,
        span_size: key.span_size,
        build_tool_identifier: key.build_tool_identifier,
    })?;
    if ztoc.encode()? != bytes {
        return Err(Rejection::Encoding);
    }
    match find_blocking_rules(layer, &ztoc) {
        Some(broken) => Err(Rejection::Violation(broken.first)),
        None => Ok(CheckedZtoc {
            bytes,
            disable_xattrs: ztoc.can_disable_xattrs(),
        }),
    }
}
