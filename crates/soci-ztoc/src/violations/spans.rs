//! The rules for spans.

use super::violation::{ReaderViolation, SPAN_LENGTH_OVERFLOW};
use crate::compression::Compression;
use crate::ztoc::Ztoc;

/// Calls `visit` for each rule that the spans of a ztoc break.
pub(super) fn check(ztoc: &Ztoc, visit: &mut dyn FnMut(ReaderViolation)) {
    let Ok(spans) = ztoc.spans() else {
        visit(ReaderViolation::Spans);
        return;
    };
    if spans.is_empty() && ztoc.compression_info.algorithm == Compression::Gzip {
        visit(ReaderViolation::NoSpans);
    }
    let last = spans.len().saturating_sub(1);
    for (index, span) in spans.iter().enumerate() {
        let compressed = span.compressed_start < span.compressed_end;
        // The last span may start after the end of the tar.
        let uncompressed = index == last || span.uncompressed_start < span.uncompressed_end;
        if !compressed || !uncompressed {
            visit(ReaderViolation::SpanOrder { span: index });
        }
        let size = span.compressed_end.saturating_sub(span.compressed_start);
        if size >= SPAN_LENGTH_OVERFLOW {
            visit(ReaderViolation::SpanTooLong { span: index, size });
        }
    }
}
