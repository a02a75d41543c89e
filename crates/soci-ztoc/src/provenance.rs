//! Checks whether a ztoc that was built elsewhere may be what a scan of a layer would give, without
//! reading the layer.

use crate::checkpoint::CheckpointList;
use crate::compression::Compression;
use crate::header::ZtocHeader;
use crate::tar_zinfo::TarZinfo;
use crate::ztoc::{VERSION, Ztoc};

/// The layer and the parameters that a ztoc is expected to have been built from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Provenance<'a> {
    /// Size of the layer in bytes.
    pub compressed_size: u64,
    /// Compression of the layer.
    pub compression: Compression,
    /// The span size in bytes.
    pub span_size: u64,
    /// The build tool identifier that the ztoc must hold.
    pub build_tool_identifier: &'a str,
}

/// Why a ztoc is not what a scan of the layer would give.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvenanceError {
    /// The ztoc is of a layer with another compression.
    #[error("its layer has the compression `{found}`, expected `{expected}`")]
    Compression {
        /// The compression of the layer.
        expected: Compression,
        /// The compression in the ztoc.
        found: Compression,
    },
    /// The list of checkpoints does not have the layout that a scan writes.
    #[error("its list of checkpoints has another layout than the one written today")]
    CheckpointLayout,
    /// The ztoc is of a layer of another size.
    #[error("its layer has {found} bytes, expected {expected}")]
    LayerSize {
        /// The size of the layer in bytes.
        expected: u64,
        /// The size in the ztoc.
        found: u64,
    },
    /// The ztoc was built with another span size.
    #[error("its spans are of {found} bytes, expected {expected}")]
    SpanSize {
        /// The expected span size in bytes.
        expected: u64,
        /// The span size in the ztoc.
        found: u64,
    },
    /// A checkpoint is no farther from the previous one than the span size, or the first one is not
    /// at the start of the tar.
    #[error("checkpoint {index} does not fit the span size")]
    CheckpointSpacing {
        /// Index of the checkpoint.
        index: usize,
    },
    /// The ztoc was built by another tool or version of it.
    #[error("it was built by `{}`, expected `{}`", .found.escape_debug(), .expected.escape_debug())]
    BuildTool {
        /// The expected build tool identifier.
        expected: String,
        /// The identifier in the ztoc.
        found: String,
    },
    /// The ztoc has another version of the format.
    #[error("it is of version `{}`, expected `{VERSION}`", .found.escape_debug())]
    Version {
        /// The version in the ztoc.
        found: String,
    },
}

impl ZtocHeader<'_> {
    /// Checks that the ztoc may have been built from what `expected` describes. What only the
    /// content of the layer can show is not checked: span digests, windows and entries.
    ///
    /// # Errors
    ///
    /// Returns an error if the ztoc was certainly built from something else.
    pub fn check_provenance(&self, expected: &Provenance<'_>) -> Result<(), ProvenanceError> {
        if self.version != VERSION {
            let found = self.version.to_owned();
            return Err(ProvenanceError::Version { found });
        }
        if self.build_tool_identifier != expected.build_tool_identifier {
            return Err(ProvenanceError::BuildTool {
                expected: expected.build_tool_identifier.to_owned(),
                found: self.build_tool_identifier.to_owned(),
            });
        }
        if self.compressed_archive_size != expected.compressed_size {
            return Err(ProvenanceError::LayerSize {
                expected: expected.compressed_size,
                found: self.compressed_archive_size,
            });
        }
        if self.algorithm != expected.compression {
            return Err(ProvenanceError::Compression {
                expected: expected.compression,
                found: self.algorithm,
            });
        }
        match self.algorithm {
            Compression::Gzip => check_checkpoints(self.checkpoints, expected.span_size),
            Compression::Uncompressed => check_tar_zinfo(self.checkpoints, expected.span_size),
        }
    }
}

impl Ztoc {
    /// Checks the header as [`ZtocHeader::check_provenance`] does.
    ///
    /// # Errors
    ///
    /// Returns the same errors.
    pub fn check_provenance(&self, expected: &Provenance<'_>) -> Result<(), ProvenanceError> {
        self.header().check_provenance(expected)
    }
}

/// Checks that a checkpoint lies at the start, and each other one more than the span size after the
/// previous one, as a scan sets them.
fn check_checkpoints(bytes: &[u8], span_size: u64) -> Result<(), ProvenanceError> {
    let list = CheckpointList::parse(bytes).filter(|list| !list.first_is_implied());
    let list = list.ok_or(ProvenanceError::CheckpointLayout)?;
    check_span_size(list.span_size, span_size)?;
    let mut previous = None;
    for (index, checkpoint) in list.iter().enumerate() {
        let checkpoint = checkpoint.ok_or(ProvenanceError::CheckpointLayout)?;
        let is_possible = match previous {
            None => {
                let has_no_window = checkpoint.window.iter().all(|&byte| byte == 0);
                has_no_window && checkpoint.output == 0 && checkpoint.unused_bits == 0
            }
            Some(previous) => checkpoint.output.saturating_sub(previous) > span_size,
        };
        if !is_possible {
            return Err(ProvenanceError::CheckpointSpacing { index });
        }
        previous = Some(checkpoint.output);
    }
    Ok(())
}

/// Checks the table of a plain tar. Decoding compares it with the sizes and the number of spans.
fn check_tar_zinfo(bytes: &[u8], span_size: u64) -> Result<(), ProvenanceError> {
    let zinfo = TarZinfo::parse(bytes).filter(|zinfo| zinfo.encode() == bytes);
    let zinfo = zinfo.ok_or(ProvenanceError::CheckpointLayout)?;
    check_span_size(zinfo.span_size, span_size)
}

fn check_span_size(found: i64, expected: u64) -> Result<(), ProvenanceError> {
    if u64::try_from(found) == Ok(expected) {
        return Ok(());
    }
    let found = found.unsigned_abs();
    Err(ProvenanceError::SpanSize { expected, found })
}
