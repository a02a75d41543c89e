//! The rules of the readers, compared with what the reference's reader does with recorded ztocs.

use soci_testkit::golden::{self, LayerCase};
use soci_ztoc::{Compression, ReaderViolation, Ztoc, build};

use crate::headers::tar_with_records;
use crate::support::{TOOL, compression, reader_violations};

/// Builds the ztoc of a recorded layer and returns the rules it breaks. The recorded ztoc would not
/// do, since only a scan finds owners beyond 32 bits.
fn violations_of(case: &LayerCase) -> Vec<ReaderViolation> {
    let compression = compression(case).expect("a layer with a ztoc");
    let ztoc = build(case.layer, compression, case.span_size(), TOOL);
    reader_violations(&ztoc.expect("a ztoc is recorded"))
}

fn short_name(violation: &ReaderViolation) -> &'static str {
    match violation {
        ReaderViolation::BeyondEnd { .. } => "beyond end",
        ReaderViolation::TruncatedId { .. } => "truncated id",
        ReaderViolation::EmptyXattrName { .. } => "empty xattr name",
        ReaderViolation::EmptyXattrValue { .. } => "empty xattr value",
        ReaderViolation::HardlinkTarget { .. } => "hard link",
        ReaderViolation::InvalidTocEntry { .. } => "invalid toc entry",
        ReaderViolation::NoModTime { .. } => "mtime",
        ReaderViolation::NoSpans => "no spans",
        ReaderViolation::SizeWithoutContents { .. } => "size without contents",
        ReaderViolation::SpanOrder { .. } => "span order",
        ReaderViolation::SparseFile { .. } => "sparse",
        other => panic!("unexpected {other}"),
    }
}

/// The recorded layers that break rules, and the rules.
const EXPECTED: &str = "\
empty-blocks-first: span order
flush-before-data: span order
members-empty-first: span order
tar-dir-with-size: invalid toc entry, size without contents
tar-gnu-long: hard link
tar-hardlink-with-size: invalid toc entry, size without contents
tar-hardlinks: hard link
tar-ids-overflow: truncated id
tar-mtime-huge: mtime
tar-pax-empty-values: empty xattr value
tar-sparse-pax-0.0: beyond end, sparse
tar-sparse-pax-0.1: beyond end, sparse
tar-sparse-pax-1.0-last: beyond end, sparse
tar-sparse-pax-1.0: beyond end, invalid toc entry, sparse
";

#[test]
fn exactly_the_listed_layers_break_rules() {
    let mut found = Vec::new();
    for case in golden::layers() {
        if case.ztoc.is_none() {
            continue;
        }
        let mut kinds: Vec<_> = violations_of(&case).iter().map(short_name).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if !kinds.is_empty() {
            found.push(format!("{}: {}\n", case.name, kinds.join(", ")));
        }
    }
    assert_eq!(found.concat(), EXPECTED);
}

#[test]
fn ztocs_that_the_reference_cannot_decode_break_a_rule() {
    for case in golden::layers() {
        if case.ztoc.is_none() || case.text("reference_decodes") == "ok" {
            continue;
        }
        assert_eq!(case.text("reference_decodes"), "invalid_toc_entry");
        let violations = violations_of(&case);
        let refused = |violation: &ReaderViolation| {
            matches!(violation, ReaderViolation::InvalidTocEntry { .. })
                && violation.refuses_layer()
        };
        assert!(violations.iter().any(refused), "`{}`", case.name);
    }
}

#[test]
fn invalid_toc_entries_are_those_without_room_for_their_header() {
    for case in golden::layers() {
        let (Some(recorded), Some(toc)) = (case.ztoc, case.toc) else {
            continue;
        };
        let ztoc = Ztoc::decode(recorded).expect("a valid ztoc");
        let entries = toc.as_array().expect("a list").iter().enumerate();
        let without_room: Vec<usize> = entries
            .filter(|(_, entry)| {
                let header = entry["tar_header_offset"].as_u64();
                let contents = entry["uncompressed_offset"].as_u64().expect("a number");
                header.is_none_or(|header| header + 512 > contents)
            })
            .map(|(index, _)| index)
            .collect();
        let violations = reader_violations(&ztoc);
        let invalid = |violation: &&ReaderViolation| {
            matches!(violation, ReaderViolation::InvalidTocEntry { .. })
        };
        let found = violations.iter().filter(invalid).count();
        assert_eq!(found > 0, !without_room.is_empty(), "`{}`", case.name);
    }
}

#[test]
fn an_owner_or_a_group_beyond_32_bits_is_truncated() {
    let truncated_ids = |record: &[u8]| {
        let tar = tar_with_records(record);
        let ztoc = build(&tar, Compression::Uncompressed, 1 << 20, TOOL).expect("a tar");
        let violations = reader_violations(&ztoc);
        let truncated = |violation: &&ReaderViolation| short_name(violation) == "truncated id";
        violations.iter().filter(truncated).count()
    };
    assert_eq!(truncated_ids(b"18 uid=4294967295\n"), 0);
    assert_eq!(truncated_ids(b"18 uid=4294967296\n"), 1);
    assert_eq!(truncated_ids(b"18 gid=4294967296\n"), 1);
}
