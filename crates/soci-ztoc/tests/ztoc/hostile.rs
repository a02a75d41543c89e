//! Input that nobody vouches for gives errors, never panics, and never much memory.

use proptest::prelude::*;
use proptest::sample::Index;
use soci_testkit::golden;
use soci_ztoc::extract::LayerReader;
use soci_ztoc::{Compression, DecodeError, LayerScanner, ScanError, Ztoc, build};

use crate::support::{TOOL, compression};

/// Names of recorded layers that hold much in little.
const SMALL: [&str; 6] = [
    "tar-xattrs",
    "tar-sparse-pax-1.0",
    "tar-gnu-long",
    "tar-pax-many-keys",
    "tar-plain",
    "tar-devices",
];

fn small_ztoc(which: Index) -> Vec<u8> {
    let case = golden::layer(SMALL[which.index(SMALL.len())]);
    case.ztoc.expect("it has one").to_vec()
}

/// Where a ztoc is not a window; mutations there are the interesting ones.
fn structured(ztoc: &[u8]) -> Vec<usize> {
    let tail = ztoc.len().saturating_sub(4096);
    let positions = 0..ztoc.len();
    positions.filter(|&at| at < 2048 || at >= tail).collect()
}

fn exercise(bytes: &[u8]) {
    let Ok(ztoc) = Ztoc::decode(bytes) else {
        return;
    };
    for violation in ztoc.reader_violations() {
        assert!(!violation.to_string().is_empty());
    }
    let _disabled = ztoc.can_disable_xattrs();
    let again = ztoc.encode().expect("its parts were as large");
    assert_eq!(Ztoc::decode(&again).as_ref(), Ok(&ztoc));
    let layer = vec![0_u8; 1 << 16];
    let mut reader = LayerReader::new(&ztoc, layer.as_slice()).expect("spans were checked");
    for entry in 0..ztoc.toc.len().min(4) {
        drop(reader.read_entry(entry));
    }
    drop(reader.read_bytes(0, 4096));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn mutated_ztocs_are_refused_or_decoded(
        which: Index,
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.1, any::<Index>()),
    ) {
        let mut bytes = small_ztoc(which);
        let positions = structured(&bytes);
        for (at, value) in changes {
            bytes[*at.get(&positions)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        exercise(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_decoded(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn mutated_tars_never_panic_in_any_chunking(
        which: Index,
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..8),
        pieces in prop::collection::vec(1_usize..3000, 1..20),
    ) {
        let case = golden::layer(SMALL[which.index(SMALL.len())]);
        let mut tar = Vec::new();
        if compression(&case) == Some(Compression::Gzip) {
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(case.layer), &mut tar)
                .expect("it inflates");
        } else {
            tar.extend_from_slice(case.layer);
        }
        // Most changes hit checksums; repair those so that the fields behind are reached.
        for (at, value) in changes {
            let at = at.index(tar.len());
            let old = std::mem::replace(&mut tar[at], value);
            repair_checksum(&mut tar, at, old);
        }
        let whole = scan(&tar, &[usize::MAX]);
        let parts = scan(&tar, &pieces);
        prop_assert_eq!(whole, parts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn mutated_gzip_layers_never_panic_in_any_chunking(
        which: Index,
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        pieces in prop::collection::vec(1_usize..3000, 1..20),
    ) {
        let case = golden::layer(["tar-xattrs", "all-bit-offsets", "gzip-9"][which.index(3)]);
        let mut layer = case.layer.to_vec();
        for (at, value) in changes {
            let at = at.index(layer.len());
            layer[at] = value;
        }
        let whole = scan_as(Compression::Gzip, &layer, &[usize::MAX]);
        let parts = scan_as(Compression::Gzip, &layer, &pieces);
        match (whole, parts) {
            // How much was consumed when damage shows depends on what was at hand.
            (Err(ScanError::GzipData { .. }), Err(ScanError::GzipData { .. })) => {}
            (whole, parts) => prop_assert_eq!(whole, parts),
        }
    }
}

/// Adjusts the checksum of the header block around a changed byte, if it is one.
fn repair_checksum(tar: &mut [u8], at: usize, old: u8) {
    let start = at / 512 * 512;
    let new = tar[at];
    let Some(block) = tar.get_mut(start..start + 512) else {
        return;
    };
    if block[257..262] != *b"ustar" || (148..156).contains(&(at - start)) {
        return;
    }
    let text: String = block[148..154]
        .iter()
        .map(|&byte| char::from(byte))
        .collect();
    let Ok(sum) = u32::from_str_radix(text.trim_matches(['\0', ' ']), 8) else {
        return;
    };
    let sum = (sum + u32::from(new)).saturating_sub(u32::from(old));
    block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
}

fn scan(tar: &[u8], pieces: &[usize]) -> Result<String, ScanError> {
    scan_as(Compression::Uncompressed, tar, pieces)
}

/// Scans in pieces of the given lengths, over and over, and returns all that was found.
fn scan_as(compression: Compression, layer: &[u8], pieces: &[usize]) -> Result<String, ScanError> {
    let mut scanner = LayerScanner::new(compression, 1000)?;
    let mut starts = Vec::new();
    let mut rest = layer;
    for &length in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(length.min(rest.len()));
        starts.extend(scanner.feed(piece)?);
        rest = after;
    }
    let found = scanner.finish()?;
    Ok(format!("{starts:?} {found:?}"))
}

/// A flatbuffer whose entries all are the same one, of a long name.
fn shared_entries(count: u32, name: u32) -> Vec<u8> {
    let mut ztoc =
        build(&[0; 1024], Compression::Uncompressed, 1 << 20, TOOL).expect("an empty tar");
    let layer = golden::layer("tar-plain");
    let recorded = Ztoc::decode(layer.ztoc.expect("it has one")).expect("it is sound");
    ztoc.toc = vec![recorded.toc[0].clone(); count as usize];
    ztoc.toc[0].name = vec![b'n'; name as usize];
    let mut bytes = ztoc.encode().expect("it is small");
    // The vector of entries: its length, then an offset for each.
    let head = (0..bytes.len() - 4)
        .find(|&at| {
            bytes[at..at + 4] == count.to_le_bytes() && {
                let first = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().expect("four"));
                first as usize >= count as usize * 4
            }
        })
        .expect("the vector");
    let at = |index: u32| head + 4 + index as usize * 4;
    let read =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    let target = at(0) + read(&bytes, at(0)) as usize;
    for index in 0..count {
        let distance = u32::try_from(target - at(index)).expect("small");
        bytes[at(index)..at(index) + 4].copy_from_slice(&distance.to_le_bytes());
    }
    bytes
}

#[test]
fn shared_entries_cannot_blow_up_memory() {
    let bytes = shared_entries(20_000, 1_000_000);
    assert!(bytes.len() < 8_000_000);
    assert_eq!(Ztoc::decode(&bytes), Err(DecodeError::Overlapping));
}
