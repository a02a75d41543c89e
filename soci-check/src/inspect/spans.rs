//! The spans of a ztoc, and what they cost, as lines of JSON.

use serde::Serialize;
use soci_cli::Io;
use soci_oci::Digest;
use soci_ztoc::{Compression, Span, Ztoc};

use super::Stopped;
use super::files::spans_of;
use super::image::{InspectedImage, InspectedLayer};
use super::json::Lines;

/// Bytes of a span of a gzip layer in a ztoc: the checkpoint with its window of 32 KiB, and the
/// digest.
const GZIP_COST: u64 = 32 * 1024 + 17 + 80;

/// Bytes of a span of a plain tar in a ztoc: the digest.
const TAR_COST: u64 = 80;

/// One span.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanLine {
    layer: Digest,
    span: usize,
    /// The compressed bytes that are fetched to read a file in the span.
    start: u64,
    end: u64,
    fetched: u64,
    /// The uncompressed bytes that are inflated.
    uncompressed_start: u64,
    uncompressed_end: u64,
    inflated: u64,
    /// How many bits of the byte at `start` belong to the span, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_bits: Option<u8>,
    /// How many files have contents in the span.
    files: usize,
    /// What the span takes in the ztoc.
    ztoc_bytes: u64,
}

/// Writes a line for each span of each ztoc, in the order of the layers.
pub(super) fn write_spans(io: &mut Io, image: &InspectedImage) -> Result<(), Stopped> {
    let mut lines = Lines::new(io);
    for layer in &image.layers {
        let Some(descriptor) = &layer.ztoc else {
            continue;
        };
        let ztoc = image.read_ztoc(descriptor)?;
        let spans = ztoc.spans().unwrap_or_default();
        let files = count_files(&ztoc, &spans);
        let cost = match ztoc.compression_info.algorithm {
            Compression::Gzip => GZIP_COST,
            Compression::Uncompressed => TAR_COST,
        };
        for ((number, span), files) in spans.iter().enumerate().zip(files) {
            lines.push(&describe(layer, number, span, Cost { files, bytes: cost }))?;
        }
        let spans = (spans.len() as u64).saturating_mul(cost);
        tracing::info!(
            layer = %layer.layer.digest,
            "the ztoc has {} bytes, {spans} of them for spans; the layer has {}",
            descriptor.size,
            layer.layer.size
        );
    }
    lines.finish()
}

/// What a span costs and gives.
#[derive(Clone, Copy)]
struct Cost {
    files: usize,
    bytes: u64,
}

fn describe(layer: &InspectedLayer, number: usize, span: &Span, cost: Cost) -> SpanLine {
    SpanLine {
        layer: layer.layer.digest,
        span: number,
        start: span.compressed_start,
        end: span.compressed_end,
        fetched: span.compressed_end.saturating_sub(span.compressed_start),
        uncompressed_start: span.uncompressed_start,
        uncompressed_end: span.uncompressed_end,
        inflated: span
            .uncompressed_end
            .saturating_sub(span.uncompressed_start),
        shared_bits: (span.shared_bits > 0).then_some(span.shared_bits),
        files: cost.files,
        ztoc_bytes: cost.bytes,
    }
}

/// Returns for each span how many files have contents in it.
fn count_files(ztoc: &Ztoc, spans: &[Span]) -> Vec<usize> {
    // The difference to the span before, so that a file of many spans takes two steps.
    let mut changes = vec![0_isize; spans.len() + 1];
    for [first, last] in ztoc.toc.iter().filter_map(|entry| spans_of(entry, spans)) {
        if first <= last {
            changes[first] += 1;
            changes[last + 1] -= 1;
        }
    }
    let mut count = 0_isize;
    let counts = changes.into_iter().map(|change| {
        count += change;
        count.unsigned_abs()
    });
    counts.take(spans.len()).collect()
}

#[cfg(test)]
mod tests {
    use soci_testkit::archive::{Member, tar};
    use soci_ztoc::build;

    use super::*;

    #[test]
    fn a_file_counts_in_each_of_its_spans() {
        let members = [
            Member::file("first", [1; 1000]),
            Member::file("second", vec![2; 20_000]),
            Member::file("empty", []),
            Member::hardlink("link", "first"),
            Member::file("last", [3; 100]),
        ];
        let tar = tar(&members);
        let ztoc = build(&tar, Compression::Uncompressed, 8 << 10, "tool");
        let ztoc = ztoc.expect("a sound layer");
        let spans = ztoc.spans().expect("sound checkpoints");
        assert_eq!(count_files(&ztoc, &spans), [2, 1, 2, 0]);
    }
}
