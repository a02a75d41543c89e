//! Every recorded layer must give the reference's bytes, or an error of the reference's kind.

use soci_testkit::golden::{self, Expect, LayerCase};
use soci_ztoc::{Compression, LayerScanner, ScanError, SpanHasher, Ztoc};

use crate::support::{TOOL, compression, first_difference, hex};

/// Lengths of the pieces a layer is fed in; the last repeats.
type Split<'a> = &'a dyn Fn(usize) -> usize;

fn build(case: &LayerCase, compression: Compression, split: Split<'_>) -> Result<Ztoc, ScanError> {
    let mut scanner = LayerScanner::new(compression, case.span_size())?;
    let mut hasher = SpanHasher::new();
    let mut rest = case.layer;
    let mut piece = 0;
    while !rest.is_empty() {
        let (bytes, after) = rest.split_at(split(piece).clamp(1, rest.len()));
        let starts = scanner.feed(bytes)?;
        hasher.feed(bytes, &starts);
        rest = after;
        piece += 1;
    }
    let found = scanner.finish()?;
    Ok(Ztoc::assemble(found, hasher.finish(), TOOL).expect("scanner and hasher agree"))
}

fn check(case: &LayerCase, split: Split<'_>, label: &str) {
    let Some(compression) = compression(case) else {
        return;
    };
    let outcome = build(case, compression, split);
    match (case.expect(), outcome) {
        (Expect::Ztoc, Ok(ztoc)) => {
            let expected = case.ztoc.expect("a ztoc is recorded");
            let encoded = ztoc.encode().expect("it is small");
            if encoded != expected {
                let difference = first_difference(&encoded, expected);
                panic!("`{}` in {label}: {difference}", case.name);
            }
        }
        (Expect::Error(kind), Err(error)) => {
            let found = kind_of(&error);
            assert_eq!(found, kind, "`{}` in {label}: {error}", case.name);
        }
        // Decided by media type or size, before anyone scans the layer.
        (Expect::Skip(_) | Expect::Error("not_a_layer_media_type"), _) => {}
        (expect, outcome) => {
            let outcome = outcome.map(|ztoc| ztoc.toc.len());
            panic!("`{}` in {label}: {expect:?}, found {outcome:?}", case.name);
        }
    }
}

fn kind_of(error: &ScanError) -> &'static str {
    match error {
        ScanError::GzipData { .. } => "gzip_data_error",
        ScanError::GzipHeader { member: 0, .. } => "gzip_first_header",
        ScanError::GzipHeader { .. } => "gzip_member_header",
        ScanError::TarHeader { .. } => "tar_invalid_header",
        ScanError::TarTruncated { .. } => "tar_unexpected_eof",
        ScanError::ExtensionTooLong { .. } => "tar_field_too_long",
        ScanError::UnsupportedEntryType { .. } => "unsupported_tar_entry_type",
        // The reference divides by zero.
        ScanError::SpanSize { .. } => "reference_panics",
        _ => "another",
    }
}

fn check_all(split: Split<'_>, label: &str) {
    for case in golden::layers() {
        check(&case, split, label);
    }
}

#[test]
fn whole_layers_give_the_recorded_bytes() {
    check_all(&|_| usize::MAX, "one piece");
}

#[test]
fn pieces_of_16384_bytes_give_the_recorded_bytes() {
    check_all(&|_| 16384, "pieces of 16384 bytes");
}

#[test]
fn pieces_of_511_bytes_give_the_recorded_bytes() {
    check_all(&|_| 511, "pieces of 511 bytes");
}

#[test]
fn single_bytes_give_the_recorded_bytes() {
    for case in golden::layers() {
        if case.layer.len() <= 100_000 {
            check(&case, &|_| 1, "single bytes");
        }
    }
}

#[test]
fn pieces_of_any_length_give_the_recorded_bytes() {
    for seed in [3, 77, 4099] {
        check_all(
            &|piece| (piece + 1) * seed * 7919 % 5003,
            &format!("odd pieces of seed {seed}"),
        );
    }
}

#[test]
fn what_a_scan_says_agrees_with_the_record() {
    for case in golden::layers() {
        let (Some(recorded), Some(compression)) = (case.ztoc, compression(&case)) else {
            continue;
        };
        let name = case.name;
        let ztoc = build(&case, compression, &|_| usize::MAX).expect("a ztoc is recorded");
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
        for piece in case.layer.chunks(1000) {
            hasher.feed(piece, &[]);
        }
        let digest = format!("sha256:{}", hex(&hasher.finish().layer));
        assert_eq!(digest, case.text("layer_digest"), "{}", case.name);
    }
}
