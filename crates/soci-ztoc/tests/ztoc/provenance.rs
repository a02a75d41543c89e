//! What a ztoc shows of its origin, against recorded ztocs.

use soci_testkit::golden;
use soci_ztoc::{Compression, Provenance, ProvenanceError, ReaderViolation, Ztoc, build};

use crate::support::{TOOL, compression};

/// Bytes of a checkpoint list before its records, and those of one record.
const HEAD: usize = 12;
const RECORD: usize = 17 + 32 * 1024;

fn expected(layer: &[u8], compression: Compression, span_size: u64) -> Provenance<'static> {
    Provenance {
        compressed_size: layer.len() as u64,
        compression,
        span_size,
        build_tool_identifier: TOOL,
    }
}

#[test]
fn what_a_scan_gives_is_accepted() {
    let mut seen = 0;
    for case in golden::layers() {
        let (Some(recorded), Some(compression)) = (case.ztoc, compression(&case)) else {
            continue;
        };
        let ztoc = Ztoc::decode(recorded).expect("a recorded ztoc");
        // Blocks without content at the start of a layer give checkpoints at one place, which no reader takes.
        let crowded = |rule: &ReaderViolation| matches!(rule, ReaderViolation::SpanOrder { .. });
        if ztoc.reader_violations().iter().any(crowded) {
            continue;
        }
        let expected = expected(case.layer, compression, case.span_size());
        let checked = ztoc.check_provenance(&expected);
        assert_eq!(checked, Ok(()), "{}", case.name);
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

/// A gzip layer with several spans, and its ztoc.
fn several_spans() -> (&'static [u8], u64, Ztoc) {
    let found = golden::layers().into_iter().find_map(|case| {
        let compression = compression(&case).filter(|found| *found == Compression::Gzip)?;
        let ztoc = build(case.layer, compression, case.span_size(), TOOL).ok()?;
        let usable = ztoc.compression_info.max_span_id > 2 && ztoc.reader_violations().is_empty();
        usable.then_some((case.layer, case.span_size(), ztoc))
    });
    found.expect("a recorded layer with several spans")
}

#[test]
fn another_origin_is_refused() {
    let (layer, span_size, ztoc) = several_spans();
    let right = expected(layer, Compression::Gzip, span_size);
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
fn checkpoints_that_the_span_size_does_not_put_there_are_refused() {
    let (layer, span_size, ztoc) = several_spans();
    let right = expected(layer, Compression::Gzip, span_size);
    let changed = |at: usize, bytes: &[u8]| {
        let mut ztoc = ztoc.clone();
        ztoc.compression_info.checkpoints[at..at + bytes.len()].copy_from_slice(bytes);
        ztoc.check_provenance(&right)
    };
    // The first one says that something lies before it.
    let window = changed(HEAD + 17, &[1]);
    assert_eq!(window, Err(ProvenanceError::CheckpointSpacing { index: 0 }));
    // The second one is as far from the first one as the span size, and not farther.
    let close = changed(HEAD + RECORD + 8, &span_size.to_le_bytes());
    assert_eq!(close, Err(ProvenanceError::CheckpointSpacing { index: 1 }));
    // The list says that it was made with another span size.
    let renamed = changed(4, &(span_size + 1).to_le_bytes());
    assert!(
        matches!(renamed, Err(ProvenanceError::SpanSize { .. })),
        "{renamed:?}"
    );
    // The older layout leaves out the first one.
    let mut old = ztoc.clone();
    old.compression_info.checkpoints.drain(HEAD..HEAD + RECORD);
    assert_eq!(
        old.check_provenance(&right),
        Err(ProvenanceError::CheckpointLayout)
    );
}
