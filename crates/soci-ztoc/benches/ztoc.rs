//! What the parts of a pass cost by themselves: `cargo bench -p soci-ztoc`.
//!
//! The content is this program's own code, which inflates about as code in layers does.

use std::io::Write as _;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use soci_ztoc::{Compression, LayerScanner, SpanHasher, SpanStart, Ztoc, build};

/// What a tool reads at once.
const PIECE: usize = 256 * 1024;
/// The default size of spans.
const SPAN: u64 = 4 << 20;
/// Bytes of each tar.
const TAR: usize = 48 << 20;

fn main() {
    divan::main();
}

/// A tar of files of the given size, filled with code.
fn tar(file: usize) -> Vec<u8> {
    let program = std::env::current_exe().expect("a path");
    let code = std::fs::read(program).expect("it is readable");
    let mut content = code.iter().copied().cycle();
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..TAR / (file + 512) {
        let mut header = tar::Header::new_ustar();
        header.set_size(file as u64);
        header.set_mode(0o644);
        let bytes: Vec<u8> = content.by_ref().take(file).collect();
        tar.append_data(&mut header, format!("usr/lib/{number}"), &bytes[..])
            .expect("to memory");
    }
    tar.into_inner().expect("to memory")
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::new(6));
    encoder.write_all(tar).expect("to memory");
    encoder.finish().expect("to memory")
}

fn scan(layer: &[u8], compression: Compression) -> Vec<SpanStart> {
    let mut scanner = LayerScanner::new(compression, SPAN).expect("a size");
    let mut starts = Vec::new();
    for piece in layer.chunks(PIECE) {
        starts.extend(scanner.feed(piece).expect("it is sound"));
    }
    black_box(scanner.finish().expect("it is whole"));
    starts
}

/// Inflating with checkpoints: bytes of tar.
#[divan::bench(sample_count = 10)]
fn inflate(bencher: Bencher<'_, '_>) {
    let tar = tar(1 << 20);
    let layer = gzip(&tar);
    let bencher = bencher.counter(BytesCount::of_slice(&tar));
    bencher.bench(|| scan(black_box(&layer), Compression::Gzip));
}

/// Finding entries: bytes of tar, for files of these sizes.
#[divan::bench(sample_count = 10, args = [1 << 10, 16 << 10, 8 << 20])]
fn scan_tar(bencher: Bencher<'_, '_>, file: usize) {
    let tar = tar(file);
    let bencher = bencher.counter(BytesCount::of_slice(&tar));
    bencher.bench(|| scan(black_box(&tar), Compression::Uncompressed));
}

/// Digests of layer and spans: bytes of the layer, each hashed twice.
#[divan::bench(sample_count = 10)]
fn digest(bencher: Bencher<'_, '_>) {
    let layer = tar(1 << 20);
    let starts = scan(&layer, Compression::Uncompressed);
    let bencher = bencher.counter(BytesCount::of_slice(&layer));
    bencher.bench(|| {
        let mut hasher = SpanHasher::new();
        let mut rest = &starts[..];
        for (piece, number) in layer.chunks(PIECE).zip(1..) {
            let end = (number * PIECE) as u64;
            let (here, after) = rest.split_at(rest.partition_point(|start| start.start < end));
            hasher.feed(black_box(piece), here);
            rest = after;
        }
        hasher.finish()
    });
}

/// The flatbuffer of a ztoc of many small files: its bytes.
#[divan::bench(sample_count = 10)]
fn encode(bencher: Bencher<'_, '_>) {
    let layer = gzip(&tar(1 << 10));
    let ztoc: Ztoc = build(&layer, Compression::Gzip, SPAN, "bench").expect("it is sound");
    let size = ztoc.encode().expect("it is small").len();
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench(|| black_box(&ztoc).encode());
}
