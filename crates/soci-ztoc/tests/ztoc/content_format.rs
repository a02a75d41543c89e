//! Formats of layers, recognised by their first bytes.

use soci_ztoc::ContentFormat;

/// Returns the header of an empty file.
fn header(name: &[u8]) -> Vec<u8> {
    let mut block = vec![0; ContentFormat::PREFIX_LENGTH];
    block[..name.len()].copy_from_slice(name);
    block[257..265].copy_from_slice(b"ustar  \0");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[test]
fn recognises_formats_by_their_first_bytes() {
    for (bytes, format) in [
        (&b"\x1f\x8b\x08\0"[..], Some(ContentFormat::Gzip)),
        (b"\x1f\x8b", Some(ContentFormat::Gzip)),
        (b"\x28\xb5\x2f\xfd\x04", Some(ContentFormat::Zstd)),
        (b"\x50\x2a\x4d\x18\x04\0\0\0", Some(ContentFormat::Zstd)),
        (b"\x5f\x2a\x4d\x18\x04\0\0\0", Some(ContentFormat::Zstd)),
        (b"\xfd7zXZ\0\0\x04", Some(ContentFormat::Xz)),
        (b"BZh91AY&SY", Some(ContentFormat::Bzip2)),
        (b"\x1f\x9d\x90", Some(ContentFormat::Compress)),
        (b"\x04\x22\x4d\x18\x64", Some(ContentFormat::Lz4)),
        (b"\x02\x21\x4c\x18", Some(ContentFormat::Lz4)),
        (b"LZIP\x01", Some(ContentFormat::Lzip)),
        (b"\x5d\0\0\x80\0", Some(ContentFormat::Lzma)),
        (b"7z\xbc\xaf\x27\x1c\0", Some(ContentFormat::SevenZip)),
        (b"hsqs", Some(ContentFormat::Squashfs)),
        (b"PK\x03\x04\x14", Some(ContentFormat::Zip)),
        (b"\x78\x9c\xed", Some(ContentFormat::Zlib)),
        (b"", None),
        (b"\x1f", None),
        (b"\x28\xb5\x2f", None),
        (b"{\"errors\":[]}", None),
        (b"\0\0\0\0", None),
    ] {
        assert_eq!(ContentFormat::detect(bytes), format, "{bytes:02x?}");
    }
}

#[test]
fn recognises_a_tar_by_the_checksum_of_its_first_header() {
    let tar = Some(ContentFormat::Tar);
    assert_eq!(ContentFormat::detect(&header(b"etc/")), tar);
    // A name that is the signature of another format.
    assert_eq!(ContentFormat::detect(&header(b"BZh9")), tar);
    assert_eq!(ContentFormat::detect(&header(b"\x1f\x8b")), tar);
    // A tar without entries.
    assert_eq!(ContentFormat::detect(&[0; 10_240]), tar);
    // Too short for a header, and a header with a flipped bit.
    assert_eq!(ContentFormat::detect(&header(b"etc/")[..511]), None);
    let mut flipped = header(b"etc/");
    flipped[0] ^= 1;
    assert_eq!(ContentFormat::detect(&flipped), None);
}
