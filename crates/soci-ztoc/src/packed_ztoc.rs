//! A ztoc with its entries in little memory.

use crate::compression::Compression;
use crate::encode::{EncodeError, EncodedZtoc};
use crate::packed::PackedEntries;
use crate::scanner::ScannedLayer;
use crate::span::LayerDigests;
use crate::violations::{self, ReaderViolation};
use crate::ztoc::{AssembleError, Ztoc};

/// A ztoc that was built and is to be stored, or that was decoded and is to be checked. Its entries
/// take about a tenth of the memory of those of a [`Ztoc`], and it is encoded without ever being in
/// memory as a whole.
#[derive(Clone, Debug)]
pub struct PackedZtoc {
    /// All but the entries.
    pub(crate) ztoc: Ztoc,
    pub(crate) entries: PackedEntries,
}

impl From<Ztoc> for PackedZtoc {
    fn from(mut ztoc: Ztoc) -> Self {
        let entries = PackedEntries::pack(&std::mem::take(&mut ztoc.toc));
        Self { ztoc, entries }
    }
}

impl PackedZtoc {
    /// Combines the results of scanner and hasher.
    ///
    /// # Errors
    ///
    /// Returns an error if the two were not fed the same layer.
    pub fn assemble(
        scanned: ScannedLayer,
        digests: LayerDigests,
        build_tool_identifier: &str,
    ) -> Result<Self, AssembleError> {
        let ScannedLayer { spans, entries } = scanned;
        Ok(Self {
            ztoc: Ztoc::without_entries(spans, digests, build_tool_identifier)?,
            entries,
        })
    }

    /// Returns the number of entries.
    pub const fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Returns the version of the format: `0.9`.
    pub fn version(&self) -> &str {
        &self.ztoc.version
    }

    /// Returns the compression of the layer.
    pub const fn compression(&self) -> Compression {
        self.ztoc.compression_info.algorithm
    }

    /// Returns the size of the layer in bytes.
    pub const fn compressed_archive_size(&self) -> u64 {
        self.ztoc.compressed_archive_size
    }

    /// Returns the number of spans.
    pub const fn span_count(&self) -> usize {
        self.ztoc.compression_info.span_digests.len()
    }

    /// Returns the span size in bytes, as [`Ztoc::span_size`] does.
    pub fn span_size(&self) -> Option<u64> {
        self.ztoc.span_size()
    }

    /// Calls `visit` for each rule of the readers that this ztoc breaks, as
    /// [`Ztoc::visit_reader_violations`] does. Entries that are not in the order of their offsets
    /// are unpacked for it.
    pub fn visit_reader_violations(&self, mut visit: impl FnMut(ReaderViolation)) {
        violations::visit(&self.ztoc, &self.entries, &mut visit);
    }

    /// Returns whether a reader need not look for extended attributes, as
    /// [`Ztoc::can_disable_xattrs`] does.
    pub fn can_disable_xattrs(&self) -> bool {
        let mut can_disable = true;
        self.entries.for_each(|_, entry| {
            can_disable &= !entry.needs_xattrs();
        });
        can_disable
    }

    /// Encodes the ztoc, whose parts are then written by [`EncodedZtoc::write_to`].
    ///
    /// # Errors
    ///
    /// Returns [`EncodeError::TooLarge`] if the result would exceed `limit` bytes or 1 GiB, and
    /// [`EncodeError::Size`] if a size or offset exceeds `i64::MAX`.
    pub fn encode(&self, limit: u64) -> Result<EncodedZtoc<'_>, EncodeError> {
        EncodedZtoc::new(&self.ztoc, &self.entries, limit)
    }

    /// Returns the ztoc with its entries in the memory that they take elsewhere.
    pub fn unpack(self) -> Ztoc {
        Ztoc {
            toc: self.entries.unpack(),
            ..self.ztoc
        }
    }
}
