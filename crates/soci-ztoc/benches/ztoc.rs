//! Measures the parts of a pass separately: `cargo bench -p soci-ztoc`.
//!
//! The files of the tars are filled with the machine code of this program, which compresses about
//! as well as the code in layers does.

use std::io::Write as _;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use soci_ztoc::{Compression, LayerScanner, SpanHasher, SpanStart, Ztoc, build};

/// Bytes that a tool reads from a layer at a time.
const CHUNK_SIZE: usize = 256 * 1024;
/// The default span size in bytes.
const SPAN_SIZE: u64 = 4 << 20;
/// Size of each tar in bytes.
const TAR_SIZE: usize = 48 << 20;

fn main() {
    divan::main();
}

/// Returns a tar of files of the given size.
fn tar_of_files(file_size: usize) -> Vec<u8> {
    let program = std::env::current_exe().expect("a path");
    let code = std::fs::read(program).expect("a readable file");
    let mut content = code.iter().copied().cycle();
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..TAR_SIZE / (file_size + 512) {
        let mut header = tar::Header::new_ustar();
        header.set_size(file_size as u64);
        header.set_mode(0o644);
        let bytes: Vec<u8> = content.by_ref().take(file_size).collect();
        tar.append_data(&mut header, format!("usr/lib/{number}"), &bytes[..])
            .expect("to memory");
    }
    tar.into_inner().expect("to memory")
}

fn compress(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::new(6));
    encoder.write_all(tar).expect("to memory");
    encoder.finish().expect("to memory")
}

fn scan(layer: &[u8], compression: Compression) -> Vec<SpanStart> {
    let mut scanner = LayerScanner::new(compression, SPAN_SIZE).expect("in range");
    let mut starts = Vec::new();
    for chunk in layer.chunks(CHUNK_SIZE) {
        starts.extend(scanner.feed(chunk).expect("a valid layer"));
    }
    black_box(scanner.finish().expect("a complete layer"));
    starts
}

/// Decompression with checkpoints, per byte of the tar.
#[divan::bench(sample_count = 10)]
fn inflate(bencher: Bencher<'_, '_>) {
    let tar = tar_of_files(1 << 20);
    let layer = compress(&tar);
    let bencher = bencher.counter(BytesCount::of_slice(&tar));
    bencher.bench(|| scan(black_box(&layer), Compression::Gzip));
}

/// The search for entries in tars with files of these sizes, per byte of the tar.
#[divan::bench(sample_count = 10, args = [1 << 10, 16 << 10, 8 << 20])]
fn scan_tar(bencher: Bencher<'_, '_>, file_size: usize) {
    let tar = tar_of_files(file_size);
    let bencher = bencher.counter(BytesCount::of_slice(&tar));
    bencher.bench(|| scan(black_box(&tar), Compression::Uncompressed));
}

/// The digests of a layer and its spans, per byte of the layer; each byte is hashed twice.
#[divan::bench(sample_count = 10)]
fn digest(bencher: Bencher<'_, '_>) {
    let layer = tar_of_files(1 << 20);
    let starts = scan(&layer, Compression::Uncompressed);
    let bencher = bencher.counter(BytesCount::of_slice(&layer));
    bencher.bench(|| {
        let mut hasher = SpanHasher::new();
        let mut rest = &starts[..];
        for (chunk, number) in layer.chunks(CHUNK_SIZE).zip(1..) {
            let end = (number * CHUNK_SIZE) as u64;
            let (here, after) = rest.split_at(rest.partition_point(|start| start.start < end));
            hasher.feed(black_box(chunk), here);
            rest = after;
        }
        hasher.finish()
    });
}

/// Two digests of a layer one after the other, to compare with [`digest`].
#[divan::bench(sample_count = 10)]
fn digest_in_turn(bencher: Bencher<'_, '_>) {
    let layer = tar_of_files(1 << 20);
    let bencher = bencher.counter(BytesCount::of_slice(&layer));
    bencher.bench(|| {
        let mut digests = [Sha256::new(), Sha256::new()];
        for chunk in layer.chunks(CHUNK_SIZE) {
            for digest in &mut digests {
                digest.update(black_box(chunk));
            }
        }
        digests.map(Sha256::finalize)
    });
}

/// The encoding of a ztoc of many small files, per byte of the ztoc.
#[divan::bench(sample_count = 10)]
fn encode(bencher: Bencher<'_, '_>) {
    let layer = compress(&tar_of_files(1 << 10));
    let ztoc: Ztoc = build(&layer, Compression::Gzip, SPAN_SIZE, "bench").expect("a valid layer");
    let size = ztoc.encode().expect("less than 1 GiB").len();
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench(|| black_box(&ztoc).encode());
}
