//! Gzip layers of many kinds.

use std::io::Write as _;

use fastrand::Rng;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

/// Compresses a tar: at any level, with flushes, in one member or several, with header fields, and
/// now and then with damage.
pub(crate) fn compress(tar: &[u8], rng: &mut Rng) -> Vec<u8> {
    let longest = [700, 5000, 50_000, usize::MAX][rng.usize(..4)];
    let mut rest = tar;
    let mut encoder = member(Vec::new(), rng);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(1 + rng.usize(..longest)));
        encoder
            .write_all(part)
            .expect("a vector accepts every byte");
        rest = after;
        match rng.u8(..12) {
            0 => {
                let members = encoder.finish().expect("a vector accepts every byte");
                encoder = member(members, rng);
            }
            1 | 2 => encoder.flush().expect("a vector accepts every byte"),
            _ => {}
        }
    }
    let mut layer = encoder.finish().expect("a vector accepts every byte");
    match rng.u8(..40) {
        0 => layer.truncate(rng.usize(..layer.len())),
        1 => {
            let at = rng.usize(..layer.len());
            layer[at] ^= 1 << rng.u8(..8);
        }
        2 => layer.push(rng.u8(..)),
        _ => {}
    }
    layer
}

/// Starts a member after `members`.
fn member(members: Vec<u8>, rng: &mut Rng) -> GzEncoder<Vec<u8>> {
    let mut header = GzBuilder::new().mtime(rng.u32(..));
    if rng.u8(..4) == 0 {
        header = header.filename(vec![b'n'; 1 + rng.usize(..300)]);
    }
    if rng.u8(..8) == 0 {
        header = header.comment(vec![b'c'; 1 + rng.usize(..300)]);
    }
    if rng.u8(..8) == 0 {
        header = header.extra(vec![rng.u8(..); rng.usize(..300)]);
    }
    header.write(members, Compression::new(rng.u32(..10)))
}
