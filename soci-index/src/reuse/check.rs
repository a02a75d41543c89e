//! The checks that a ztoc must pass before it is reused.

use std::convert::Infallible;

use soci_layout::{Action, Layout, LayoutError};
use soci_oci::{Descriptor, Digest, Hasher};
use soci_transport::{Reservation, Source, TransportError};
use soci_ztoc::{
    DecodeError, EncodeError, EncodedZtoc, PackedZtoc, Provenance, ProvenanceError,
    ReaderViolation, Ztoc, ZtocHeader,
};

use crate::cache::CacheKey;
use crate::context::Context;
use crate::outcome::StoredZtoc;
use crate::violations::find_blocking_rules;

/// The memory in bytes that all ztocs may take that are being checked at the same time, decoded and
/// not. A ztoc that needs more is not reused.
pub(crate) const CHECK_MEMORY: usize = 112 << 20;

/// Bytes that a check needs at most for each byte of a ztoc: one for the ztoc itself, and four for
/// its decoded entries.
const MEMORY_FACTOR: usize = 5;

/// A ztoc of this many bytes is read however small its layer is.
const SMALL_ZTOC: u64 = 1 << 20;

/// A ztoc in a source, and the layer that it is offered for.
pub(crate) struct ZtocCheck<'a> {
    pub(crate) source: &'a Source,
    pub(crate) ztoc: &'a Descriptor,
    pub(crate) layer: &'a Descriptor,
    pub(crate) key: &'a CacheKey<'a>,
    pub(crate) context: &'a Context,
}

/// A ztoc that has passed all checks.
pub(crate) struct CheckedZtoc<'a> {
    store: &'a Layout,
    digest: Digest,
    ztoc: PackedZtoc,
    _memory: Reservation,
}

/// Why a ztoc is not reused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("it is not in the source")]
    Missing,
    #[error("it cannot be read")]
    Read(#[from] Box<TransportError>),
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
/// nothing over reading the layer. It is from [`SMALL_ZTOC`] to [`CHECK_MEMORY`].
pub(crate) fn max_ztoc_size(layer: &Descriptor) -> u64 {
    layer.size.clamp(SMALL_ZTOC, CHECK_MEMORY as u64)
}

impl<'a> ZtocCheck<'a> {
    /// Reads the ztoc and checks that it may be what this tool would build for the layer. What it
    /// says of itself comes first, so that no entry of another layer's ztoc is decoded.
    pub(crate) fn run(&self) -> Result<CheckedZtoc<'a>, Rejection> {
        let size = usize::try_from(self.ztoc.size).unwrap_or(usize::MAX);
        let memory = size.saturating_mul(MEMORY_FACTOR).min(CHECK_MEMORY);
        let memory = self.context.check_memory.reserve(memory);
        let bytes = self.read()?;
        ZtocHeader::read(&bytes)?.check_provenance(&Provenance {
            compressed_size: self.layer.size,
            compression: self.key.compression,
            span_size: self.key.span_size,
            build_tool_identifier: self.key.build_tool_identifier,
        })?;
        let ztoc = Ztoc::decode_within(bytes, CHECK_MEMORY as u64)?;
        let broken = find_blocking_rules(self.layer, &ztoc);
        let ztoc = PackedZtoc::from(ztoc);
        let encoded = ztoc.encode(u64::MAX)?;
        if digest_of(&encoded, self.ztoc.digest) != self.ztoc.digest {
            return Err(Rejection::Encoding);
        }
        if let Some(broken) = broken {
            return Err(Rejection::Violation(broken.first));
        }
        Ok(CheckedZtoc {
            store: &self.context.store,
            digest: self.ztoc.digest,
            ztoc,
            _memory: memory,
        })
    }

    /// Returns the bytes of the ztoc, from the store if it has them.
    fn read(&self) -> Result<Vec<u8>, Rejection> {
        let limit = max_ztoc_size(self.layer);
        if let Ok(bytes) = self.context.store.read_blob(self.ztoc, limit) {
            return Ok(bytes);
        }
        let bytes = self.source.read_blob(self.ztoc, limit).map_err(Box::new)?;
        bytes.ok_or(Rejection::Missing)
    }
}

impl CheckedZtoc<'_> {
    /// Writes the ztoc into the store.
    pub(crate) fn write(&self) -> Result<StoredZtoc, LayoutError> {
        let encoded = self.ztoc.encode(u64::MAX).map_err(std::io::Error::other);
        let encoded = encoded.map_err(|source| LayoutError::File {
            action: Action::Write,
            path: self.store.blob_path(self.digest),
            source,
        })?;
        let Descriptor { size, .. } = self
            .store
            .write_blob_with(|writer| encoded.write_to(|part| writer.write(part)))?;
        Ok(StoredZtoc {
            digest: self.digest,
            size,
            disable_xattrs: self.ztoc.can_disable_xattrs(),
        })
    }
}

/// Returns the digest of an encoded ztoc, by the algorithm of the digest `like`.
fn digest_of(ztoc: &EncodedZtoc<'_>, like: Digest) -> Digest {
    let mut hasher = Hasher::new(like.algorithm());
    let written: Result<(), Infallible> = ztoc.write_to(|part| {
        hasher.update(part);
        Ok(())
    });
    match written {
        Ok(()) => hasher.finish(),
    }
}
