//! The gzip pass: our own inflater against zlib's, with checkpoints at every block.
#![no_main]

use flate2::{Compress, Compression as Level, Decompress, FlushDecompress, Status};
use libfuzzer_sys::fuzz_target;
use soci_fuzz::{BLOCK, Input, check_ztoc, scan};
use soci_ztoc::{Compression, ScanError};

/// The most bytes that the input may be inflated to.
const MAX_OUTPUT: usize = 1 << 17;

/// Header of a gzip member without optional fields.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

// The input is gzip as it is, or else deflate streams one after the other. The latter become the
// members of a sound layer, whose only file they are.
fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (mode, span_size, seed) = (input.byte(), input.short(), input.short());
    if mode & 1 == 0 {
        let _refused = scan(input.rest(), Compression::Gzip, span_size.into(), seed);
        return;
    }
    let mut members = Vec::new();
    let mut file = Vec::new();
    let mut rest = input.rest();
    while let Some((consumed, output)) = inflate(rest) {
        push_member(&mut members, &rest[..consumed], &output);
        file.extend_from_slice(&output);
        rest = &rest[consumed..];
        if file.len() > MAX_OUTPUT || rest.is_empty() {
            break;
        }
    }
    let header = tar_header(file.len());
    let padding = vec![0; file.len().next_multiple_of(BLOCK) - file.len() + 2 * BLOCK];
    let mut layer = Vec::new();
    push_member(&mut layer, &deflate(&header), &header);
    layer.extend_from_slice(&members);
    push_member(&mut layer, &deflate(&padding), &padding);
    let tar = [&header[..], &file, &padding].concat();

    let ztoc = match scan(&layer, Compression::Gzip, span_size.into(), seed) {
        Ok(ztoc) => ztoc,
        Err(ScanError::Limit { .. }) => return,
        Err(error) => panic!("zlib inflates the layer: {error}"),
    };
    assert_eq!(ztoc.toc.len(), 1);
    assert_eq!(ztoc.toc[0].uncompressed_size, file.len() as i64);
    check_ztoc(&ztoc, &layer, &tar, seed);
});

/// Returns the length and the output of the deflate stream at the start of `bytes`. Returns `None`
/// if zlib refuses it, if it is cut short, or if the output is too long.
fn inflate(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut inflater = Decompress::new(false);
    let mut output = Vec::new();
    loop {
        if output.len() > MAX_OUTPUT {
            return None;
        }
        output.reserve(1 << 16);
        let consumed = usize::try_from(inflater.total_in()).expect("a small input");
        let before = (inflater.total_in(), inflater.total_out());
        let input = &bytes[consumed..];
        match inflater.decompress_vec(input, &mut output, FlushDecompress::None) {
            Ok(Status::StreamEnd) => {
                let consumed = usize::try_from(inflater.total_in()).expect("a small input");
                return Some((consumed, output));
            }
            Ok(_) if (inflater.total_in(), inflater.total_out()) != before => {}
            _ => return None,
        }
    }
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Level::fast(), false);
    let mut output = Vec::with_capacity(bytes.len() + 100);
    let flush = flate2::FlushCompress::Finish;
    let status = compress.compress_vec(bytes, &mut output, flush);
    assert!(matches!(status, Ok(Status::StreamEnd)));
    output
}

/// Adds a gzip member with this deflate stream, which inflates to `output`.
fn push_member(layer: &mut Vec<u8>, stream: &[u8], output: &[u8]) {
    let mut checksum = flate2::Crc::new();
    checksum.update(output);
    layer.extend_from_slice(&HEADER);
    layer.extend_from_slice(stream);
    layer.extend_from_slice(&checksum.sum().to_le_bytes());
    layer.extend_from_slice(&u32::try_from(output.len()).expect("small").to_le_bytes());
}

/// Returns the tar header of a file.
fn tar_header(size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    header[0] = b'f';
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    soci_fuzz::repair_checksums(&mut header);
    header
}
