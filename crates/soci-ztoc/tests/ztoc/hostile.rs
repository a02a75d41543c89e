//! Hostile input gives errors; it never causes a panic or an unbounded allocation.

use proptest::prelude::*;
use proptest::sample::Index;
use soci_testkit::golden;
use soci_ztoc::extract::LayerReader;
use soci_ztoc::{Compression, DecodeError, LayerScanner, ScanError, Ztoc, build};

use crate::support::{TOOL, compression, reader_violations};

/// Recorded layers that are small and have entries of many kinds.
const SMALL_LAYERS: [&str; 6] = [
    "tar-xattrs",
    "tar-sparse-pax-1.0",
    "tar-gnu-long",
    "tar-pax-many-keys",
    "tar-plain",
    "tar-devices",
];

fn small_ztoc(which: Index) -> Vec<u8> {
    let case = golden::layer(SMALL_LAYERS[which.index(SMALL_LAYERS.len())]);
    case.ztoc.expect("a ztoc is recorded").to_vec()
}

/// Returns the positions of the first 2 KiB and the last 4 KiB. Between them are mostly windows,
/// whose content does not matter to the decoder.
fn structure_positions(ztoc: &[u8]) -> Vec<usize> {
    let tail = ztoc.len().saturating_sub(4096);
    let positions = 0..ztoc.len();
    positions.filter(|&at| at < 2048 || at >= tail).collect()
}

/// Decodes `bytes`, and if that succeeds calls everything that works on a ztoc.
fn exercise(bytes: &[u8]) {
    let Ok(ztoc) = Ztoc::decode(bytes) else {
        return;
    };
    for violation in reader_violations(&ztoc) {
        assert!(!violation.to_string().is_empty());
    }
    let _disabled = ztoc.can_disable_xattrs();
    let again = ztoc.encode().expect("no larger than its input");
    assert_eq!(Ztoc::decode(&again).as_ref(), Ok(&ztoc));
    let layer = vec![0_u8; 1 << 16];
    let mut reader = LayerReader::new(&ztoc, layer.as_slice()).expect("decoding checked the spans");
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
        let positions = structure_positions(&bytes);
        for (at, value) in changes {
            bytes[*at.get(&positions)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        exercise(&bytes);
    }

    #[test]
    fn random_bytes_are_refused_or_decoded(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn mutated_tars_give_the_same_result_in_any_chunks(
        which: Index,
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..8),
        chunk_lengths in prop::collection::vec(1_usize..3000, 1..20),
    ) {
        let case = golden::layer(SMALL_LAYERS[which.index(SMALL_LAYERS.len())]);
        let mut tar = Vec::new();
        if compression(&case) == Some(Compression::Gzip) {
            std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(case.layer), &mut tar)
                .expect("a valid gzip layer");
        } else {
            tar.extend_from_slice(case.layer);
        }
        // Without repaired checksums, most changes would be refused before a field is parsed.
        for (at, value) in changes {
            let at = at.index(tar.len());
            let old = std::mem::replace(&mut tar[at], value);
            repair_checksum(&mut tar, at, old);
        }
        let whole = scan_tar(&tar, &[usize::MAX]);
        let parts = scan_tar(&tar, &chunk_lengths);
        prop_assert_eq!(whole, parts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn mutated_gzip_layers_give_the_same_result_in_any_chunks(
        which: Index,
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        chunk_lengths in prop::collection::vec(1_usize..3000, 1..20),
    ) {
        let case = golden::layer(["tar-xattrs", "all-bit-offsets", "gzip-9"][which.index(3)]);
        let mut layer = case.layer.to_vec();
        for (at, value) in changes {
            let at = at.index(layer.len());
            layer[at] = value;
        }
        let whole = scan_layer(Compression::Gzip, &layer, &[usize::MAX]);
        let parts = scan_layer(Compression::Gzip, &layer, &chunk_lengths);
        match (whole, parts) {
            // The offset in the error depends on how much input the decoder had when it failed.
            (Err(ScanError::GzipData { .. }), Err(ScanError::GzipData { .. })) => {}
            (whole, parts) => prop_assert_eq!(whole, parts),
        }
    }
}

/// Adjusts the checksum of the block with a changed byte, if the block is a header. `old` is the
/// previous value of the byte.
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

fn scan_tar(tar: &[u8], chunk_lengths: &[usize]) -> Result<String, ScanError> {
    scan_layer(Compression::Uncompressed, tar, chunk_lengths)
}

/// Scans in chunks of the given lengths, in turn, and returns the whole result as text.
fn scan_layer(
    compression: Compression,
    layer: &[u8],
    chunk_lengths: &[usize],
) -> Result<String, ScanError> {
    let mut scanner = LayerScanner::new(compression, 1000)?;
    let mut starts = Vec::new();
    let mut rest = layer;
    for &length in chunk_lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        starts.extend(scanner.feed(chunk)?);
        rest = after;
    }
    let found = scanner.finish()?;
    Ok(format!("{starts:?} {found:?}"))
}

/// Returns a ztoc of `count` entries that all share one table, whose name has `name_length` bytes.
fn ztoc_with_shared_entry(count: u32, name_length: u32) -> Vec<u8> {
    let mut ztoc =
        build(&[0; 1024], Compression::Uncompressed, 1 << 20, TOOL).expect("an empty tar");
    let layer = golden::layer("tar-plain");
    let recorded = Ztoc::decode(layer.ztoc.expect("a ztoc is recorded")).expect("a valid ztoc");
    ztoc.toc = vec![recorded.toc[0].clone(); count as usize];
    ztoc.toc[0].name = vec![b'n'; name_length as usize];
    let mut bytes = ztoc.encode().expect("less than 1 GiB");
    // The vector of entries starts with its length, followed by one offset for each entry.
    let vector = (0..bytes.len() - 4)
        .find(|&at| {
            bytes[at..at + 4] == count.to_le_bytes() && {
                let first = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().expect("four"));
                first as usize >= count as usize * 4
            }
        })
        .expect("a vector of entries");
    let at = |index: u32| vector + 4 + index as usize * 4;
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
fn shared_entries_are_refused_before_they_fill_memory() {
    let bytes = ztoc_with_shared_entry(20_000, 1_000_000);
    assert!(bytes.len() < 8_000_000);
    assert_eq!(Ztoc::decode(&bytes), Err(DecodeError::Overlapping));
}
