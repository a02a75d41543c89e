//! Limits on layers and ztocs, and arguments that are out of range.

use soci_ztoc::{
    AssembleError, BuildError, Compression, EncodeError, FileMetadata, LayerScanner, LimitKind,
    Limits, ScanError, SpanHasher, Ztoc, build,
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

/// The span size with which [`scan_with_limits`] scans, in bytes.
const SPAN: u64 = 8192;

/// Scans a recorded layer with limits, and returns the error that ends it early.
fn scan_with_limits(limits: Limits) -> Option<ScanError> {
    let case = golden::layer("gzip-9");
    let mut scanner = LayerScanner::with_limits(Compression::Gzip, SPAN, limits).expect("in range");
    let fed = scanner.feed(case.layer).err();
    if fed.is_none() {
        scanner.finish().expect("a layer within the limits");
    }
    fed
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

/// Asserts that the layer, of which `used` counts against the limit, is accepted with that limit,
/// and refused with one less.
#[track_caller]
fn assert_may_be_reached(what: LimitKind, used: u64, limits: impl Fn(u64) -> Limits) {
    assert_eq!(scan_with_limits(limits(used)), None);
    let limit = used - 1;
    let error = scan_with_limits(limits(limit));
    assert_eq!(error, Some(ScanError::Limit { what, limit }));
}

#[test]
fn the_memory_of_the_table_may_reach_its_limit() {
    let mut scanner = LayerScanner::new(Compression::Gzip, SPAN).expect("in range");
    scanner
        .feed(golden::layer("gzip-9").layer)
        .expect("a layer");
    let limits = |table_bytes| Limits {
        table_bytes,
        ..Limits::default()
    };
    assert_may_be_reached(LimitKind::TableBytes, scanner.table_memory(), limits);
}

#[test]
fn the_text_of_the_table_may_reach_its_limit() {
    let layer = golden::layer("gzip-9").layer;
    let ztoc = build(layer, Compression::Gzip, SPAN, TOOL).expect("a layer");
    let text = |entry: &FileMetadata| {
        let xattrs = entry.xattrs.iter();
        let xattrs: usize = xattrs.map(|x| x.key.len() + x.value.len()).sum();
        let texts = [&entry.name, &entry.linkname, &entry.uname, &entry.gname];
        xattrs + texts.iter().map(|text| text.len()).sum::<usize>()
    };
    let text = ztoc.toc.iter().map(text).sum::<usize>() as u64;
    let limits = |string_bytes| Limits {
        string_bytes,
        ..Limits::default()
    };
    assert_may_be_reached(LimitKind::StringBytes, text, limits);
}

/// The estimate counts the table of files and the spans, and never more than they take.
#[test]
fn the_size_of_a_ztoc_is_estimated_from_files_and_spans() {
    let layer = golden::layer("gzip-9").layer;
    let ztoc = build(layer, Compression::Gzip, SPAN, TOOL).expect("a layer");
    let checkpoints = ztoc.compression_info.checkpoints.len() as u64;
    let digests = 80 * ztoc.compression_info.span_digests.len() as u64;
    let names: usize = ztoc.toc.iter().map(|entry| entry.name.len()).sum();
    let size = ztoc.encode().expect("less than 1 GiB").len() as u64;
    let is_refused = |ztoc_bytes| {
        let limits = Limits {
            ztoc_bytes,
            ..Limits::default()
        };
        let (what, limit) = (LimitKind::ZtocBytes, ztoc_bytes);
        scan_with_limits(limits) == Some(ScanError::Limit { what, limit })
    };
    assert!(is_refused(checkpoints + digests + names as u64));
    assert!(!is_refused(size));
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
