//! What is read through a ztoc equals what decompression of the whole layer gives.

use std::io::Read as _;

use proptest::prelude::*;
use soci_testkit::golden::{self, LayerCase};
use soci_ztoc::extract::{ExtractError, LayerReader, ReadRange};
use soci_ztoc::{Compression, EntryType, Ztoc};

use crate::support::compression;

/// Decompresses a whole layer with `flate2`.
fn decompress(case: &LayerCase) -> Vec<u8> {
    if compression(case) == Some(Compression::Uncompressed) {
        return case.layer.to_vec();
    }
    let mut bytes = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(case.layer);
    // This decoder refuses a zlib stream after the gzip members. The tar has ended before it.
    if let Err(error) = decoder.read_to_end(&mut bytes) {
        assert!(case.name.contains("zlib"), "`{}`: {error}", case.name);
    }
    bytes
}

/// Returns the recorded layers that have a ztoc, with the decoded ztoc.
fn layers_with_ztoc() -> Vec<(LayerCase, Ztoc)> {
    let with_ztoc = |case: LayerCase| Some((case, Ztoc::decode(case.ztoc?).expect("a valid ztoc")));
    golden::layers().into_iter().filter_map(with_ztoc).collect()
}

#[test]
fn all_files_are_read_with_their_contents() {
    for (case, ztoc) in layers_with_ztoc() {
        let tar = decompress(&case);
        let mut reader = LayerReader::new(&ztoc, case.layer).expect("decoding checked the spans");
        for (index, entry) in ztoc.toc.iter().enumerate() {
            // The size of a sparse file includes its holes, which are not in the tar.
            if entry.entry_type != EntryType::Regular || case.name.contains("sparse-pax") {
                continue;
            }
            let found = reader.read_entry(index);
            let found = found.unwrap_or_else(|error| panic!("`{}` {index}: {error}", case.name));
            let start = usize::try_from(entry.uncompressed_offset).expect("small");
            let size = usize::try_from(entry.uncompressed_size).expect("small");
            assert!(found == tar[start..start + size], "`{}` {index}", case.name);
        }
    }
}

#[test]
fn all_spans_are_read_with_their_part_of_the_tar() {
    for (case, ztoc) in layers_with_ztoc() {
        let tar = decompress(&case);
        let mut reader = LayerReader::new(&ztoc, case.layer).expect("decoding checked the spans");
        for (index, span) in reader.spans().to_vec().into_iter().enumerate() {
            let found = reader.read_span(index);
            let found = found.unwrap_or_else(|error| panic!("`{}` {index}: {error}", case.name));
            let start = usize::try_from(span.uncompressed_start).expect("small");
            let expected = &tar[start.min(tar.len())..];
            assert!(expected.starts_with(found), "`{}` {index}", case.name);
            let length = span
                .uncompressed_end
                .saturating_sub(span.uncompressed_start);
            assert_eq!(found.len() as u64, length, "`{}` {index}", case.name);
        }
    }
}

#[test]
fn entries_without_contents_are_read_as_empty() {
    let case = golden::layer("tar-hardlinks");
    let ztoc = Ztoc::decode(case.ztoc.expect("a ztoc is recorded")).expect("a valid ztoc");
    let mut reader = LayerReader::new(&ztoc, case.layer).expect("decoding checked the spans");
    let links = ztoc.toc.iter().enumerate();
    let mut links = links.filter(|(_, entry)| entry.entry_type == EntryType::Hardlink);
    let (index, _) = links.next().expect("a hard link");
    assert_eq!(reader.read_entry(index), Ok(Vec::new()));
    let count = ztoc.toc.len();
    let missing = ExtractError::Entry {
        entry: count,
        count,
    };
    assert_eq!(reader.read_entry(count), Err(missing));
}

#[test]
fn a_file_of_a_negative_size_is_refused() {
    let case = golden::layer("gzip-9");
    let mut ztoc = Ztoc::decode(case.ztoc.expect("a ztoc is recorded")).expect("a valid ztoc");
    ztoc.toc[0].entry_type = EntryType::Regular;
    for (start, size) in [(0, -1), (0, i64::MIN), (1024, -512), (1 << 62, -(1 << 62))] {
        ztoc.toc[0].uncompressed_offset = start;
        ztoc.toc[0].uncompressed_size = size;
        let mut reader = LayerReader::new(&ztoc, case.layer).expect("decoding checked the spans");
        let refused = ExtractError::Range { start, end: 0 };
        assert_eq!(
            reader.read_entry(0),
            Err(refused),
            "{size} bytes at {start}"
        );
    }
}

#[test]
fn ranges_beyond_the_tar_are_refused() {
    let case = golden::layer("gzip-9");
    let ztoc = Ztoc::decode(case.ztoc.expect("a ztoc is recorded")).expect("a valid ztoc");
    let mut reader = LayerReader::new(&ztoc, case.layer).expect("decoding checked the spans");
    let size = ztoc.uncompressed_archive_size;
    assert!(reader.read_bytes(0, size).is_ok());
    assert!(reader.read_bytes(size, size).is_ok());
    for (start, end) in [(0, size + 1), (2, 1), (u64::MAX, u64::MAX)] {
        let refused = ExtractError::Range { start, end };
        assert_eq!(reader.read_bytes(start, end), Err(refused));
    }
}

#[test]
fn spans_beyond_the_callers_limit_are_refused() {
    let case = golden::layer("gzip-9");
    let ztoc = Ztoc::decode(case.ztoc.expect("a ztoc is recorded")).expect("a valid ztoc");
    let reader = LayerReader::new(&ztoc, case.layer).expect("decoding checked the spans");
    let span = reader.spans()[0];
    let length = span.uncompressed_end - span.uncompressed_start;
    let mut reader = reader.with_max_span(length - 1);
    let outcome = reader.read_span(0).map(<[u8]>::len);
    let refused = ExtractError::SpanTooLong {
        span: 0,
        length,
        limit: length - 1,
    };
    assert_eq!(outcome, Err(refused));
}

/// A layer in which one bit of the byte at `at` is flipped.
struct FlippedLayer {
    layer: &'static [u8],
    at: usize,
}

impl ReadRange for FlippedLayer {
    type Error = std::convert::Infallible;

    fn read_range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, Self::Error> {
        let mut layer = self.layer.to_vec();
        layer[self.at] ^= 0x10;
        layer.as_slice().read_range(start, end)
    }
}

#[test]
fn a_flipped_bit_makes_only_the_spans_with_its_byte_unreadable() {
    let case = golden::layer("all-bit-offsets");
    let ztoc = Ztoc::decode(case.ztoc.expect("a ztoc is recorded")).expect("a valid ztoc");
    let spans = ztoc.spans().expect("decoding checked the spans");
    for flipped in (0..case.layer.len()).step_by(397) {
        let source = FlippedLayer {
            layer: case.layer,
            at: flipped,
        };
        let mut reader = LayerReader::new(&ztoc, source).expect("decoding checked the spans");
        for (span, range) in spans.iter().enumerate() {
            let hit =
                range.compressed_start <= flipped as u64 && (flipped as u64) < range.compressed_end;
            let outcome = reader.read_span(span).map(<[u8]>::len);
            let expected = Err(ExtractError::Digest { span });
            assert_eq!(outcome == expected, hit, "byte {flipped}, span {span}");
        }
    }
}

#[test]
fn a_source_that_returns_too_few_bytes_is_an_error() {
    let case = golden::layer("gzip-9");
    let ztoc = Ztoc::decode(case.ztoc.expect("a ztoc is recorded")).expect("a valid ztoc");
    let cut = &case.layer[..case.layer.len() - 1];
    let mut reader = LayerReader::new(&ztoc, cut).expect("decoding checked the spans");
    let last = reader.spans().len() - 1;
    let outcome = reader.read_span(last).map(<[u8]>::len);
    assert!(
        matches!(outcome, Err(ExtractError::Short { .. })),
        "{outcome:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn random_ranges_equal_whole_decompression(a in 0.0..1.0_f64, b in 0.0..1.0_f64) {
        for (case, ztoc) in layers_with_ztoc().into_iter().step_by(7) {
            let tar = decompress(&case);
            let size = u32::try_from(ztoc.uncompressed_archive_size).expect("small");
            let at = |part: f64| {
                #[expect(clippy::cast_possible_truncation, reason = "a fraction of a small size")]
                #[expect(clippy::cast_sign_loss, reason = "a fraction of a small size")]
                let at = (f64::from(size) * part) as usize;
                at
            };
            let (start, end) = (at(a.min(b)), at(a.max(b)));
            let mut reader = LayerReader::new(&ztoc, case.layer).expect("decoding checked the spans");
            let found = reader.read_bytes(start as u64, end as u64);
            let found = found.unwrap_or_else(|error| panic!("`{}`: {error}", case.name));
            prop_assert!(found == tar[start..end], "`{}` {start}..{end}", case.name);
        }
    }
}
