//! Every recorded layer must give the bytes of the reference's ztoc, or an error of the same kind.

use soci_testkit::golden::{self, Expect, LayerCase};
use soci_ztoc::{Compression, LayerScanner, ScanError, SpanHasher, Ztoc};

use crate::support::{TOOL, compression, first_difference, hex};

/// Returns the length of the chunk with a given number.
type ChunkLength<'a> = &'a dyn Fn(usize) -> usize;

fn build_in_chunks(
    case: &LayerCase,
    compression: Compression,
    chunk_length: ChunkLength<'_>,
) -> Result<Ztoc, ScanError> {
    let mut scanner = LayerScanner::new(compression, case.span_size())?;
    let mut hasher = SpanHasher::new();
    let mut rest = case.layer;
    let mut number = 0;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(chunk_length(number).clamp(1, rest.len()));
        let starts = scanner.feed(chunk)?;
        hasher.feed(chunk, &starts);
        rest = after;
        number += 1;
    }
    let found = scanner.finish()?;
    Ok(Ztoc::assemble(found, hasher.finish(), TOOL).expect("scanner and hasher agree"))
}

fn check_case(case: &LayerCase, chunk_length: ChunkLength<'_>, label: &str) {
    let Some(compression) = compression(case) else {
        return;
    };
    let outcome = build_in_chunks(case, compression, chunk_length);
    match (case.expect(), outcome) {
        (Expect::Ztoc, Ok(ztoc)) => {
            let expected = case.ztoc.expect("a ztoc is recorded");
            let encoded = ztoc.encode().expect("less than 1 GiB");
            if encoded != expected {
                let difference = first_difference(&encoded, expected);
                panic!("`{}` in {label}: {difference}", case.name);
            }
        }
        (Expect::Error(kind), Err(error)) => {
            let found = recorded_kind(&error);
            assert_eq!(found, kind, "`{}` in {label}: {error}", case.name);
        }
        // The media type or the size decides, before a layer is scanned.
        (Expect::Skip(_) | Expect::Error("not_a_layer_media_type"), _) => {}
        (expect, outcome) => {
            let outcome = outcome.map(|ztoc| ztoc.toc.len());
            panic!("`{}` in {label}: {expect:?}, found {outcome:?}", case.name);
        }
    }
}

/// Returns the kind under which the reference's error is recorded.
fn recorded_kind(error: &ScanError) -> &'static str {
    match error {
        ScanError::GzipData { .. } | ScanError::TrailingData { .. } => "gzip_data_error",
        ScanError::GzipHeader { member: 0, .. } => "gzip_first_header",
        ScanError::GzipHeader { .. } => "gzip_member_header",
        ScanError::TarHeader { .. } => "tar_invalid_header",
        ScanError::TarTruncated { .. } => "tar_unexpected_eof",
        ScanError::ExtensionTooLong { .. } => "tar_field_too_long",
        ScanError::UnsupportedEntryType { .. } => "unsupported_tar_entry_type",
        // The reference panics, since it divides by zero.
        ScanError::SpanSize { .. } => "reference_panics",
        _ => "another",
    }
}

fn check_all(chunk_length: ChunkLength<'_>, label: &str) {
    for case in golden::layers() {
        check_case(&case, chunk_length, label);
    }
}

#[test]
fn layers_in_one_chunk_give_the_recorded_bytes() {
    check_all(&|_| usize::MAX, "one chunk");
}

#[test]
fn layers_in_chunks_of_16384_bytes_give_the_recorded_bytes() {
    check_all(&|_| 16384, "chunks of 16384 bytes");
}

#[test]
fn layers_in_chunks_of_511_bytes_give_the_recorded_bytes() {
    check_all(&|_| 511, "chunks of 511 bytes");
}

#[test]
fn layers_in_chunks_of_one_byte_give_the_recorded_bytes() {
    for case in golden::layers() {
        if case.layer.len() <= 100_000 {
            check_case(&case, &|_| 1, "chunks of one byte");
        }
    }
}

#[test]
fn layers_in_chunks_of_varied_lengths_give_the_recorded_bytes() {
    for seed in [3, 77, 4099] {
        check_all(
            &|number| (number + 1) * seed * 7919 % 5003,
            &format!("chunks of varied lengths, seed {seed}"),
        );
    }
}

#[test]
fn sizes_and_xattrs_agree_with_the_record() {
    for case in golden::layers() {
        let (Some(recorded), Some(compression)) = (case.ztoc, compression(&case)) else {
            continue;
        };
        let name = case.name;
        let ztoc =
            build_in_chunks(&case, compression, &|_| usize::MAX).expect("a ztoc is recorded");
        assert_eq!(
            ztoc.compressed_archive_size,
            case.number("compressed_archive_size")
        );
        assert_eq!(
            ztoc.uncompressed_archive_size,
            case.number("uncompressed_archive_size"),
            "{name}"
        );
        assert_eq!(
            Some(ztoc.can_disable_xattrs()),
            case.case["disable_xattrs"].as_bool(),
            "{name}"
        );
        assert_eq!(recorded.len() as u64, case.number("ztoc_size"), "{name}");
    }
}

#[test]
fn layer_digests_agree_with_the_record() {
    for case in golden::layers() {
        let mut hasher = SpanHasher::new();
        for chunk in case.layer.chunks(1000) {
            hasher.feed(chunk, &[]);
        }
        let digest = format!("sha256:{}", hex(&hasher.finish().layer));
        assert_eq!(digest, case.text("layer_digest"), "{}", case.name);
    }
}
