//! Ztocs in which a few bytes stand for much memory: they are refused before it is allocated.

use std::time::Instant;

use soci_testkit::bombs::{BombWriter, Claims, SPAN_SIZE, Table, repeated_entry};
use soci_ztoc::{Compression, DecodeError, LimitKind, Limits, Provenance, Ztoc, ZtocHeader, build};

use crate::support::TOOL;

const CLAIMS: Claims<'static> = Claims {
    tool: TOOL,
    layer_size: 1024,
    tar_size: 1024,
};

/// Asserts that a ztoc of so many bytes is refused because its parts are named too often.
#[track_caller]
fn assert_overlapping(name: &str, bytes: &[u8]) {
    let decoded = Ztoc::decode(bytes);
    assert_eq!(decoded, Err(DecodeError::Overlapping), "{name}");
    let decoded = Ztoc::decode_within(bytes.to_vec(), u64::MAX);
    assert_eq!(decoded, Err(DecodeError::Overlapping), "{name}");
}

/// An entry that is named over and over costs four bytes each time.
#[test]
fn an_entry_that_is_named_over_and_over_is_refused() {
    for count in [20_000, 2_600_000] {
        let bytes = repeated_entry(CLAIMS, count);
        assert!(bytes.len() < 4 * count + 40_000, "{} bytes", bytes.len());
        assert_overlapping("entry", &bytes);
    }
}

/// The smallest possible entries, each with a table of its own.
#[test]
fn entries_that_share_all_but_their_tables_are_refused() {
    let mut bomb = BombWriter::new();
    let (name, kind) = (bomb.text(b"x"), bomb.text(b"reg"));
    let entries: Vec<Table> = (0..50_000).map(|_| bomb.pair(name, kind)).collect();
    assert_overlapping("tables", &bomb.finish(CLAIMS, &entries, 1));
}

/// Names, extended attributes and vectors that several parts share.
#[test]
fn texts_and_attributes_that_are_named_over_and_over_are_refused() {
    let mut bomb = BombWriter::new();
    let (name, kind) = (bomb.text(&vec![b'x'; 100_000]), bomb.text(b"reg"));
    let entries: Vec<Table> = (0..1000).map(|_| bomb.pair(name, kind)).collect();
    assert_overlapping("a long name", &bomb.finish(CLAIMS, &entries, 1));

    let mut bomb = BombWriter::new();
    let text = bomb.text(b"x");
    let xattr = bomb.pair(text, text);
    let xattrs = bomb.tables(&vec![xattr; 100_000]);
    let entry = bomb.file_with_xattrs(text, xattrs);
    assert_overlapping("an attribute", &bomb.finish(CLAIMS, &[entry], 1));

    let mut bomb = BombWriter::new();
    let text = bomb.text(b"x");
    let xattrs: Vec<Table> = (0..1000).map(|_| bomb.pair(text, text)).collect();
    let xattrs = bomb.tables(&xattrs);
    let entries: Vec<Table> = (0..1000)
        .map(|_| bomb.file_with_xattrs(text, xattrs))
        .collect();
    assert_overlapping("a vector of attributes", &bomb.finish(CLAIMS, &entries, 1));
}

#[test]
fn a_span_digest_that_is_named_over_and_over_is_refused() {
    let bomb = BombWriter::new().finish(CLAIMS, &[], 100_000);
    assert_overlapping("digest", &bomb);
}

/// More entries than a layer may have are refused by their number, however large the ztoc is.
#[test]
fn too_many_entries_are_refused() {
    let limit = Limits::default().entries;
    let count = usize::try_from(limit).expect("a small limit") + 1;
    let bytes = repeated_entry(CLAIMS, count);
    let what = LimitKind::Entries;
    assert_eq!(
        Ztoc::decode(&bytes),
        Err(DecodeError::Limit { what, limit })
    );
}

/// The length of a vector is compared with the ztoc before anything is read.
#[test]
fn a_vector_that_is_longer_than_the_ztoc_is_refused() {
    let mut bytes = repeated_entry(CLAIMS, 4321);
    let count = 4321_u32.to_le_bytes();
    let at = bytes.windows(4).position(|window| window == count);
    let at = at.expect("the length of the vector");
    for length in [0xffff_ffff_u32, 0x3fff_ffff, 50_000] {
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        let decoded = Ztoc::decode(&bytes);
        assert!(
            matches!(decoded, Err(DecodeError::OutOfBounds { .. })),
            "{decoded:?}"
        );
    }
}

/// The header of a bomb is read, and tells that it is of another layer, before its entries are.
#[test]
fn provenance_is_checked_without_decoding_entries() {
    let bytes = repeated_entry(CLAIMS, 100_000);
    let header = ZtocHeader::read(&bytes).expect("a header");
    let expected = Provenance {
        compressed_size: 1024,
        compression: Compression::Gzip,
        span_size: SPAN_SIZE.unsigned_abs(),
        build_tool_identifier: TOOL,
    };
    assert_eq!(header.check_provenance(&expected), Ok(()));
    let other = Provenance {
        compressed_size: 2048,
        ..expected
    };
    let refused = header.check_provenance(&other).expect_err("another layer");
    assert_eq!(
        refused.to_string(),
        "its layer has 1024 bytes, expected 2048"
    );
}

/// A bomb is refused in no more time than a sound ztoc of the same size takes to decode. The factor
/// allows for a machine with other work.
#[test]
fn refusing_a_bomb_takes_less_time_than_decoding_a_sound_ztoc() {
    let sound = ztoc_of_small_files(40_000).encode().expect("a small ztoc");
    let bomb = repeated_entry(CLAIMS, sound.len() / 4);
    let time = |bytes: &[u8]| {
        let runs = (0..5).map(|_| {
            let start = Instant::now();
            drop(Ztoc::decode(bytes));
            start.elapsed()
        });
        runs.min().expect("five runs")
    };
    let (refused, decoded) = (time(&bomb), time(&sound));
    assert!(refused < decoded * 10, "{refused:?} and {decoded:?}");
}

/// Returns the ztoc of a tar whose entries are as small as a tar allows.
fn ztoc_of_small_files(count: usize) -> Ztoc {
    let mut tar = tar::Builder::new(Vec::new());
    for at in 0..count {
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        header.set_username("a").expect("a short name");
        header.set_groupname("b").expect("a short name");
        let name = format!("{at:x}");
        tar.append_data(&mut header, name, std::io::empty())
            .expect("a buffer");
    }
    let tar = tar.into_inner().expect("a buffer");
    build(&tar, Compression::Uncompressed, 4 << 20, TOOL).expect("a sound layer")
}

/// A sound ztoc whose entries are as small as a tar allows is decoded, and no memory is asked for
/// beyond what the caller allows.
#[test]
fn small_entries_are_decoded_within_the_memory_that_the_caller_allows() {
    let ztoc = ztoc_of_small_files(20_000);
    let bytes = ztoc.encode().expect("a small ztoc");
    assert_eq!(Ztoc::decode(&bytes).as_ref(), Ok(&ztoc));
    let most = bytes.len() as u64 * 5;
    assert_eq!(Ztoc::decode_within(bytes.clone(), most).as_ref(), Ok(&ztoc));
    let limit = bytes.len() as u64 * 2;
    let refused = Ztoc::decode_within(bytes, limit);
    assert_eq!(refused, Err(DecodeError::Memory { limit }));
}
