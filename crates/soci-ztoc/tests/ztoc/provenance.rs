//! Checks of what a ztoc was built from, with recorded ztocs.

use soci_testkit::golden;
use soci_ztoc::{Compression, Provenance, ProvenanceError, ReaderViolation, Ztoc, build};

use crate::support::{TOOL, compression, reader_violations};

/// Bytes before the first checkpoint of a list.
const HEADER_SIZE: usize = 12;
/// Bytes of one checkpoint: two offsets, the unused bits, and a window.
const CHECKPOINT_SIZE: usize = 17 + 32 * 1024;

fn provenance_of(layer: &[u8], compression: Compression, span_size: u64) -> Provenance<'static> {
    Provenance {
        compressed_size: layer.len() as u64,
        compression,
        span_size,
        build_tool_identifier: TOOL,
    }
}

#[test]
fn ztocs_of_the_same_layer_and_parameters_are_accepted() {
    let mut checked_count = 0;
    for case in golden::layers() {
        let (Some(recorded), Some(compression)) = (case.ztoc, compression(&case)) else {
            continue;
        };
        let ztoc = Ztoc::decode(recorded).expect("a recorded ztoc");
        // Empty blocks at the start of a layer give several checkpoints at the same offset, which
        // readers refuse.
        let is_span_order =
            |rule: &ReaderViolation| matches!(rule, ReaderViolation::SpanOrder { .. });
        if reader_violations(&ztoc).iter().any(is_span_order) {
            continue;
        }
        let expected = provenance_of(case.layer, compression, case.span_size());
        let checked = ztoc.check_provenance(&expected);
        assert_eq!(checked, Ok(()), "{}", case.name);
        checked_count += 1;
    }
    assert!(checked_count > 50, "{checked_count}");
}

/// Returns a recorded gzip layer with more than three spans, its span size and its ztoc.
fn layer_with_several_spans() -> (&'static [u8], u64, Ztoc) {
    let found = golden::layers().into_iter().find_map(|case| {
        let compression = compression(&case).filter(|found| *found == Compression::Gzip)?;
        let ztoc = build(case.layer, compression, case.span_size(), TOOL).ok()?;
        let usable = ztoc.compression_info.max_span_id > 2 && reader_violations(&ztoc).is_empty();
        usable.then_some((case.layer, case.span_size(), ztoc))
    });
    found.expect("a recorded layer with several spans")
}

#[test]
fn ztocs_of_another_layer_or_other_parameters_are_refused() {
    let (layer, span_size, ztoc) = layer_with_several_spans();
    let right = provenance_of(layer, Compression::Gzip, span_size);
    let check = |wrong: Provenance<'_>| ztoc.check_provenance(&wrong);
    assert_eq!(check(right), Ok(()));
    let compressed_size = right.compressed_size + 1;
    assert!(matches!(
        check(Provenance {
            compressed_size,
            ..right
        }),
        Err(ProvenanceError::LayerSize { .. })
    ));
    let compression = Compression::Uncompressed;
    assert!(matches!(
        check(Provenance {
            compression,
            ..right
        }),
        Err(ProvenanceError::Compression { .. })
    ));
    let span_size = right.span_size * 2;
    assert!(matches!(
        check(Provenance { span_size, ..right }),
        Err(ProvenanceError::SpanSize { .. })
    ));
    let build_tool_identifier = "another";
    assert!(matches!(
        check(Provenance {
            build_tool_identifier,
            ..right
        }),
        Err(ProvenanceError::BuildTool { .. })
    ));
    let mut old = ztoc.clone();
    "0.8".clone_into(&mut old.version);
    assert!(matches!(
        old.check_provenance(&right),
        Err(ProvenanceError::Version { .. })
    ));
}

#[test]
fn checkpoints_that_do_not_fit_the_span_size_are_refused() {
    let (layer, span_size, ztoc) = layer_with_several_spans();
    let right = provenance_of(layer, Compression::Gzip, span_size);
    let changed = |at: usize, bytes: &[u8]| {
        let mut ztoc = ztoc.clone();
        ztoc.compression_info.checkpoints[at..at + bytes.len()].copy_from_slice(bytes);
        ztoc.check_provenance(&right)
    };
    // The window of the first checkpoint is not empty.
    let window = changed(HEADER_SIZE + 17, &[1]);
    assert_eq!(window, Err(ProvenanceError::CheckpointSpacing { index: 0 }));
    // The second checkpoint is exactly the span size after the first, but must be farther.
    let close = changed(HEADER_SIZE + CHECKPOINT_SIZE + 8, &span_size.to_le_bytes());
    assert_eq!(close, Err(ProvenanceError::CheckpointSpacing { index: 1 }));
    // The list holds another span size.
    let other_size = changed(4, &(span_size + 1).to_le_bytes());
    assert!(
        matches!(other_size, Err(ProvenanceError::SpanSize { .. })),
        "{other_size:?}"
    );
    // The older layout leaves out the first checkpoint.
    let mut old = ztoc.clone();
    old.compression_info
        .checkpoints
        .drain(HEADER_SIZE..HEADER_SIZE + CHECKPOINT_SIZE);
    assert_eq!(
        old.check_provenance(&right),
        Err(ProvenanceError::CheckpointLayout)
    );
}
