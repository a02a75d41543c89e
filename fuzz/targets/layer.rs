//! Layer, ztoc, random access: a tar is compressed in one of many ways, and every span and range
//! that is read through its ztoc equals the tar.
#![no_main]

use std::io::Write as _;

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use soci_fuzz::{Input, Numbers, TOOL, check_ztoc, repair_checksums, scan};
use soci_ztoc::{Compression, Provenance};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (level, span_size, seed) = (input.byte(), input.short(), input.short());
    let mut tar = input.rest().to_vec();
    repair_checksums(&mut tar);
    let layer = compress(&tar, Level::new(u32::from(level % 10)), seed);
    let span_size = u64::from(span_size);
    let of_layer = scan(&layer, Compression::Gzip, span_size, seed);
    let of_tar = scan(&tar, Compression::Uncompressed, span_size + 1, seed);
    let (of_layer, of_tar) = match (of_layer, of_tar) {
        (Ok(of_layer), Ok(of_tar)) => (of_layer, of_tar),
        (of_layer, of_tar) => {
            assert_eq!(of_layer.err(), of_tar.err(), "compression changes the tar");
            return;
        }
    };
    assert_eq!(of_layer.toc, of_tar.toc);
    assert_eq!(
        of_layer.uncompressed_archive_size,
        of_tar.uncompressed_archive_size
    );
    check_ztoc(&of_layer, &layer, &tar, seed);
    let provenance = Provenance {
        compressed_size: layer.len() as u64,
        compression: Compression::Gzip,
        span_size,
        build_tool_identifier: TOOL,
    };
    // Checkpoints at the same offset, after an empty block, are no sound ztoc.
    let mut is_sound = true;
    of_layer.visit_reader_violations(|_| is_sound = false);
    if is_sound {
        assert_eq!(of_layer.check_provenance(&provenance), Ok(()));
    }
});

/// Compresses with flushes and in members of lengths that `seed` determines.
fn compress(tar: &[u8], level: Level, seed: u16) -> Vec<u8> {
    let mut numbers = Numbers::new(seed ^ 0x5555);
    let longest = [300, 3000, 40_000, usize::MAX][usize::from(seed >> 8) % 4];
    let mut encoder = GzEncoder::new(Vec::new(), level);
    let mut rest = tar;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(1 + numbers.below(longest)));
        encoder
            .write_all(part)
            .expect("a vector accepts every byte");
        rest = after;
        match numbers.below(8) {
            0 => {
                let members = encoder.finish().expect("a vector accepts every byte");
                encoder = GzEncoder::new(members, level);
            }
            1 | 2 => encoder.flush().expect("a vector accepts every byte"),
            _ => {}
        }
    }
    encoder.finish().expect("a vector accepts every byte")
}
