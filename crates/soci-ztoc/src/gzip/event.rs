//! What a scan of a gzip layer finds.

use crate::checkpoint::Checkpoint;
use crate::error::ScanError;
use crate::span::SpanStart;

/// What a scan finds, in the order of the layer.
#[derive(Debug)]
pub(crate) enum GzipEvent<'a> {
    /// The next bytes of the tar.
    Output(&'a [u8]),
    /// A span starts.
    SpanStart(SpanStart),
    /// A deflate block starts here, at which a checkpoint may lie.
    BlockStart(Checkpoint<'a>),
    /// The readers of a ztoc refuse the header of this member, so they read no output after it.
    HeaderFault(ScanError),
}
