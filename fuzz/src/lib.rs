//! What the fuzz targets share: how the input of a target is divided, and how layers are scanned.
//!
//! A target panics if a property does not hold; libFuzzer keeps the input as a finding.

use soci_ztoc::{Compression, LayerScanner, ScanError, SpanHasher, Ztoc};

/// The build tool identifier of the ztocs that the targets build.
pub const TOOL: &str = "fuzz";

/// Bytes in a tar block.
pub const BLOCK: usize = 512;

/// The input of a target. Its first bytes are the parameters of the run; they are 0 if they are
/// missing.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Starts to divide `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes the next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    /// Takes the next two bytes as a number, little endian.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Takes the next bytes, at most `length`.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes the bytes before the next `separator`, and drops it.
    pub fn until(&mut self, separator: u8) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| byte == separator);
        let taken = self.take(end.unwrap_or(self.0.len()));
        self.take(1);
        taken
    }

    /// Returns the rest.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Returns whether nothing is left.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// Numbers that a seed determines (xorshift).
#[derive(Clone, Copy, Debug)]
pub struct Numbers(u32);

impl Numbers {
    /// Starts the sequence of `seed`.
    pub const fn new(seed: u16) -> Self {
        Self(seed as u32 | 0x9e37_0000)
    }

    /// Returns the next number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % limit
    }
}

/// Scans a layer whole, and in chunks that `seed` determines, and returns the ztoc.
///
/// # Panics
///
/// Panics if the two results differ.
pub fn scan(
    layer: &[u8],
    compression: Compression,
    span_size: u64,
    seed: u16,
) -> Result<Ztoc, ScanError> {
    let whole = scan_in_chunks(layer, compression, span_size, || usize::MAX);
    let mut numbers = Numbers::new(seed);
    let longest = [1, 16, 600, 5000][usize::from(seed) % 4];
    let parts = scan_in_chunks(layer, compression, span_size, || 1 + numbers.below(longest));
    match (&whole, &parts) {
        // The offset in the error depends on how much input the decoder had when it failed.
        (Err(ScanError::GzipData { .. }), Err(ScanError::GzipData { .. })) => {}
        _ => assert_eq!(whole, parts, "the division into chunks changes the result"),
    }
    whole
}

fn scan_in_chunks(
    layer: &[u8],
    compression: Compression,
    span_size: u64,
    mut length: impl FnMut() -> usize,
) -> Result<Ztoc, ScanError> {
    let mut scanner = LayerScanner::new(compression, span_size)?;
    let mut hasher = SpanHasher::new();
    let mut rest = layer;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(length().min(rest.len()));
        let starts = scanner.feed(chunk)?;
        hasher.feed(chunk, &starts);
        rest = after;
    }
    let found = scanner.finish()?;
    Ok(
        Ztoc::assemble(found, hasher.finish(), TOOL)
            .expect("scanner and hasher saw the same bytes"),
    )
}

/// Checks what must hold for every ztoc that was built from a layer: it is decoded as it was
/// encoded, and each span and some ranges are read as they are in `tar`.
///
/// # Panics
///
/// Panics if something does not hold.
pub fn check_ztoc(ztoc: &Ztoc, layer: &[u8], tar: &[u8], seed: u16) {
    let bytes = ztoc.encode().expect("a small ztoc");
    let decoded = Ztoc::decode(&bytes).expect("a ztoc that was just encoded");
    assert_eq!(decoded.toc, ztoc.toc, "the table of contents changes");
    assert_eq!(decoded.compression_info, ztoc.compression_info);
    assert_eq!(decoded.encode().expect("a small ztoc"), bytes);

    let mut reader = soci_ztoc::extract::LayerReader::new(ztoc, layer).expect("consistent spans");
    for index in 0..reader.spans().len() {
        let span = reader.spans()[index];
        let found = reader.read_span(index).expect("a span of this layer");
        let start = usize::try_from(span.uncompressed_start).expect("a small tar");
        let end = usize::try_from(span.uncompressed_end).expect("a small tar");
        if start <= end {
            assert_eq!(found, &tar[start..end], "span {index}");
        } else {
            assert!(found.is_empty(), "span {index} starts after the end");
        }
    }
    let size = usize::try_from(ztoc.uncompressed_archive_size).expect("a small tar");
    let mut numbers = Numbers::new(seed);
    for _ in 0..4 {
        let (one, two) = (numbers.below(size + 1), numbers.below(size + 1));
        let (start, end) = (one.min(two), one.max(two));
        let found = reader.read_bytes(start as u64, end as u64);
        assert_eq!(found.expect("a range of this layer"), &tar[start..end]);
    }
}

/// Corrects the checksum of each block that looks like a tar header, because almost every change
/// of a header would end the tar there.
pub fn repair_checksums(tar: &mut [u8]) {
    for block in tar.as_chunks_mut::<BLOCK>().0 {
        if &block[257..262] != b"ustar" {
            continue;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
