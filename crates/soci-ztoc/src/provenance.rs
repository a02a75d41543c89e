//! Whether a ztoc from elsewhere is what a scan of the layer would give, as far as that shows without the layer.

use crate::checkpoint::CheckpointList;
use crate::compression::Compression;
use crate::tar_info::TarInfo;
use crate::ztoc::{VERSION, Ztoc};

/// What a ztoc is made of and by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Provenance<'a> {
    /// Size of the layer in bytes.
    pub compressed_size: u64,
    /// How the layer is compressed.
    pub compression: Compression,
    /// The span size in bytes that the builder was given.
    pub span_size: u64,
    /// What builds.
    pub build_tool_identifier: &'a str,
}

/// Why a ztoc is not what a scan of the layer would give.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvenanceError {
    /// The layer is compressed in another way.
    #[error("it is of a layer that is {found:?}, expected {expected:?}")]
    Compression {
        /// How the layer is compressed.
        expected: Compression,
        /// What the ztoc says.
        found: Compression,
    },
    /// The list of checkpoints is not in the form that a scan gives it.
    #[error("its checkpoints are in a form that is not written any more")]
    Form,
    /// The layer has another size.
    #[error("it is of a layer of {found} bytes, expected {expected}")]
    Size {
        /// The size of the layer in bytes.
        expected: u64,
        /// What the ztoc says.
        found: u64,
    },
    /// It was made with another span size.
    #[error("its spans are of {found} bytes, expected {expected}")]
    SpanSize {
        /// The span size in bytes.
        expected: u64,
        /// What the ztoc says.
        found: u64,
    },
    /// Two checkpoints are closer to each other than the span size, or the first one is not at the start.
    #[error("checkpoint {index} is not where the span size puts it")]
    Spacing {
        /// Position of the checkpoint.
        index: usize,
    },
    /// It was made by something else.
    #[error("it was built by `{}`, expected `{}`", .found.escape_debug(), .expected.escape_debug())]
    Tool {
        /// What builds.
        expected: String,
        /// What the ztoc says.
        found: String,
    },
    /// It is of another version of the format.
    #[error("it is of version `{}`, expected `{VERSION}`", .found.escape_debug())]
    Version {
        /// What the ztoc says.
        found: String,
    },
}

impl Ztoc {
    /// Checks that the ztoc may come from `expected`. What the layer's content alone can tell stays unproven: digests of spans,
    /// windows, and entries.
    ///
    /// # Errors
    ///
    /// [`ProvenanceError`] where it certainly does not.
    pub fn check_provenance(&self, expected: &Provenance<'_>) -> Result<(), ProvenanceError> {
        let info = &self.compression_info;
        if self.version != VERSION {
            let found = self.version.clone();
            return Err(ProvenanceError::Version { found });
        }
        if self.build_tool_identifier != expected.build_tool_identifier {
            return Err(ProvenanceError::Tool {
                expected: expected.build_tool_identifier.to_owned(),
                found: self.build_tool_identifier.clone(),
            });
        }
        if self.compressed_archive_size != expected.compressed_size {
            return Err(ProvenanceError::Size {
                expected: expected.compressed_size,
                found: self.compressed_archive_size,
            });
        }
        if info.algorithm != expected.compression {
            return Err(ProvenanceError::Compression {
                expected: expected.compression,
                found: info.algorithm,
            });
        }
        match info.algorithm {
            Compression::Gzip => check_checkpoints(&info.checkpoints, expected.span_size),
            Compression::Uncompressed => check_tar_info(&info.checkpoints, expected.span_size),
        }
    }
}

/// A scan sets a checkpoint at the start, and then after each block that ends beyond the span size.
fn check_checkpoints(bytes: &[u8], span_size: u64) -> Result<(), ProvenanceError> {
    let list = CheckpointList::parse(bytes).filter(|list| !list.first_is_implied());
    let list = list.ok_or(ProvenanceError::Form)?;
    check_span_size(list.span_size, span_size)?;
    let mut before = None;
    for (index, checkpoint) in list.iter().enumerate() {
        let checkpoint = checkpoint.ok_or(ProvenanceError::Form)?;
        let placed = match before {
            None => {
                let blank = checkpoint.window.iter().all(|&byte| byte == 0);
                blank && checkpoint.output == 0 && checkpoint.bits == 0
            }
            Some(before) => checkpoint.output.saturating_sub(before) > span_size,
        };
        if !placed {
            return Err(ProvenanceError::Spacing { index });
        }
        before = Some(checkpoint.output);
    }
    Ok(())
}

/// Decoding has compared the table with the sizes and the number of spans already.
fn check_tar_info(bytes: &[u8], span_size: u64) -> Result<(), ProvenanceError> {
    let info = TarInfo::parse(bytes).filter(|info| info.encode() == bytes);
    let info = info.ok_or(ProvenanceError::Form)?;
    check_span_size(info.span_size, span_size)
}

fn check_span_size(found: i64, expected: u64) -> Result<(), ProvenanceError> {
    if u64::try_from(found) == Ok(expected) {
        return Ok(());
    }
    let found = found.unsigned_abs();
    Err(ProvenanceError::SpanSize { expected, found })
}
