//! What the first bytes of a file say about its compression.

/// How many bytes are looked at.
pub(crate) const FIRST_BYTES: u64 = 6;

/// The first bytes of compressed files, and the names of the formats.
const FORMATS: [(&[u8], &str); 4] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
];

/// Returns the name of the compression that a file with these first bytes has, or `None` if it has
/// none that is known.
pub(crate) fn detect_compression(first: &[u8]) -> Option<&'static str> {
    let format = FORMATS.iter().find(|(magic, _)| first.starts_with(magic));
    format.map(|(_, name)| *name)
}
