//! Limits on layers and ztocs, and arguments that are out of range.

use soci_ztoc::{
    AssembleError, BuildError, Compression, EncodeError, LayerScanner, LimitKind, Limits,
    ScanError, SpanHasher, Ztoc, build,
};

use soci_testkit::golden;

use crate::support::TOOL;

#[test]
fn span_sizes_out_of_range_are_refused() {
    let error_of = |compression, span_size| LayerScanner::new(compression, span_size).err();
    let too_large = 1 << 63;
    for (compression, span_size) in [
        (Compression::Gzip, too_large),
        (Compression::Uncompressed, too_large),
        (Compression::Uncompressed, 0),
    ] {
        let error = error_of(compression, span_size).expect("out of range");
        assert!(matches!(error, ScanError::SpanSize { .. }), "{error}");
    }
    assert_eq!(error_of(Compression::Gzip, 0), None);
    assert_eq!(error_of(Compression::Gzip, too_large - 1), None);
}

/// Scans a recorded layer with limits, and returns the error.
fn scan_with_limits(limits: Limits) -> Option<ScanError> {
    let case = golden::layer("gzip-9");
    let mut scanner = LayerScanner::with_limits(Compression::Gzip, 8192, limits).expect("in range");
    let fed = scanner.feed(case.layer);
    fed.and_then(|_| scanner.finish()).err()
}

#[test]
fn layers_beyond_a_limit_are_refused() {
    let limits = Limits::default();
    assert_eq!(scan_with_limits(limits), None);
    let too_small = [
        (
            Limits {
                entries: 3,
                ..limits
            },
            LimitKind::Entries,
            3,
        ),
        (
            Limits {
                string_bytes: 20,
                ..limits
            },
            LimitKind::StringBytes,
            20,
        ),
        (
            Limits {
                uncompressed_bytes: 1000,
                ..limits
            },
            LimitKind::UncompressedBytes,
            1000,
        ),
    ];
    for (limits, what, limit) in too_small {
        let error = scan_with_limits(limits).expect("an exceeded limit");
        assert_eq!(error, ScanError::Limit { what, limit });
    }
}

#[test]
fn more_spans_than_a_ztoc_holds_are_refused() {
    let mut scanner = LayerScanner::new(Compression::Uncompressed, 1).expect("in range");
    let chunk = vec![0; 1 << 20];
    let error = (0..64).find_map(|_| scanner.feed(&chunk).err());
    let what = LimitKind::SpanBytes;
    let limit = 1 << 30;
    assert_eq!(error, Some(ScanError::Limit { what, limit }));
}

#[test]
fn scan_and_digests_of_different_layers_cannot_be_assembled() {
    let mut scanner = LayerScanner::new(Compression::Uncompressed, 512).expect("in range");
    let starts = scanner.feed(&[0; 1024]).expect("zeros");
    let found = scanner.finish().expect("an empty tar");
    let mut shorter = SpanHasher::new();
    shorter.feed(&[0; 512], &starts);
    let error = Ztoc::assemble(found.clone(), shorter.finish(), TOOL).err();
    let expected = AssembleError::Size {
        scanned: 1024,
        hashed: 512,
    };
    assert_eq!(error, Some(expected));
    let mut without_spans = SpanHasher::new();
    without_spans.feed(&[0; 1024], &[]);
    let error = Ztoc::assemble(found, without_spans.finish(), TOOL).err();
    let expected = AssembleError::Spans {
        scanned: 2,
        hashed: 0,
    };
    assert_eq!(error, Some(expected));
}

/// Returns the error of a recorded layer that cannot be indexed.
fn scan_error(name: &str) -> ScanError {
    let case = golden::layer(name);
    match build(case.layer, Compression::Gzip, 4 << 20, TOOL) {
        Err(BuildError::Scan(error)) => error,
        outcome => panic!("`{name}` gave {outcome:?}"),
    }
}

#[test]
fn sound_tars_that_a_ztoc_cannot_describe_are_told_from_corrupt_ones() {
    let is_unindexable = |name| matches!(scan_error(name), ScanError::UnsupportedEntryType { .. });
    for name in ["tar-global-header", "tar-type-7"] {
        assert!(is_unindexable(name), "`{name}`");
    }
    for name in ["bad-crc", "tar-cut-in-data", "tar-bad-checksum"] {
        assert!(!is_unindexable(name), "`{name}`");
    }
}

#[test]
fn bytes_after_the_gzip_stream_are_told_from_a_corrupt_stream() {
    for (name, first) in [
        ("trailing-zeros", 0),
        ("trailing-zeros-long", 0),
        ("trailing-newline", b'\n'),
        ("trailing-one-byte", 0),
    ] {
        let error = scan_error(name);
        let ScanError::TrailingData {
            offset,
            first: found,
        } = error
        else {
            panic!("`{name}` gave {error:?}");
        };
        assert_eq!(found, first, "`{name}`");
        let layer = golden::layer(name).layer;
        let stream = &layer[..usize::try_from(offset).expect("an offset")];
        build(stream, Compression::Gzip, 4 << 20, TOOL).expect("a whole gzip stream");
    }
    // Two of these go on with a gzip member, which is not whole.
    for name in ["trailing-half-header", "trailing-half-member", "all-zeros"] {
        let error = scan_error(name);
        assert!(
            matches!(error, ScanError::GzipData { .. }),
            "`{name}`: {error:?}"
        );
    }
}

/// After the first member, zlib also takes a zlib stream, which the reference does as well.
#[test]
fn bytes_after_the_gzip_stream_may_resemble_zlib() {
    let mut layer = golden::layer("empty-tar-gz").layer.to_vec();
    let offset = layer.len() as u64;
    layer.extend(b"\x78\x9cxxxxxxxxxxxxxxx");
    let error = build(&layer, Compression::Gzip, 4 << 20, TOOL).err();
    let first = b'x';
    let expected = ScanError::TrailingData { offset, first };
    assert_eq!(error, Some(BuildError::Scan(expected)));
}

#[test]
fn ztocs_larger_than_1_gib_are_refused() {
    let ztoc = build(&[0; 1024], Compression::Uncompressed, 512, TOOL);
    let mut ztoc = ztoc.expect("an empty tar");
    // The system gives no memory to zeros that are never touched, and encoding must fail before it
    // copies them.
    ztoc.compression_info.checkpoints = vec![0; 3 << 29];
    let limit = 1 << 30;
    assert_eq!(ztoc.encode(), Err(EncodeError::TooLarge { limit }));
}
