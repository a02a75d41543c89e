//! Forms of tar header fields that none of the recorded layers has.

use soci_ztoc::{Compression, FileMetadata, ScanError, TarFault, build};

use crate::support::TOOL;
use crate::vectors::one_file_tar;

/// Returns a tar of one file in which the header field at offset `at` is changed.
pub(crate) fn tar_with_field(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut tar = one_file_tar();
    tar[at..at + bytes.len()].copy_from_slice(bytes);
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|&byte| u32::from(byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar
}

/// Returns the only entry of a tar.
pub(crate) fn scan_one_entry(tar: &[u8]) -> Result<FileMetadata, ScanError> {
    match build(tar, Compression::Uncompressed, 4 << 20, TOOL) {
        Ok(mut ztoc) => Ok(ztoc.toc.remove(0)),
        Err(soci_ztoc::BuildError::Scan(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn scan_with_field(at: usize, bytes: &[u8]) -> Result<FileMetadata, ScanError> {
    scan_one_entry(&tar_with_field(at, bytes))
}

#[test]
fn numeric_fields_are_octal_or_base_256() {
    let mode = |field: &[u8]| scan_with_field(100, field).map(|entry| entry.mode);
    assert_eq!(mode(b"0000755\0"), Ok(0o755));
    assert_eq!(mode(b"  755  \0"), Ok(0o755));
    assert_eq!(mode(b"\x00\x00755 \0 "), Ok(0o755));
    assert_eq!(mode(b"        "), Ok(0));
    assert_eq!(mode(b"77777777"), Ok(0o77_777_777));
    assert_eq!(mode(b"755\0garb"), Ok(0o755));
    assert_eq!(mode(&[0x80, 0, 0, 0, 0, 0, 1, 2]), Ok(258));
    assert_eq!(mode(&[0xff; 8]), Ok(-1));
    assert_eq!(
        mode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
        Ok(-2)
    );
    for bad in [b"0000858\0", b"7 5     ", b"-755    ", b"+755    "] {
        let error = mode(bad).expect_err("not a number");
        let fault = TarFault::Number { field: "mode" };
        assert_eq!(error, ScanError::TarHeader { offset: 512, fault });
    }
}

#[test]
fn modification_times_become_rfc_3339_text() {
    let time = |field: &[u8; 12]| scan_with_field(136, field).map(|entry| entry.mod_time);
    let text = |time: &str| Ok(time.to_owned());
    assert_eq!(time(b"00000000000\0"), text("1970-01-01T00:00:00Z"));
    assert_eq!(time(b"14524770400\0"), text("2023-11-14T22:13:20Z"));
    assert_eq!(time(b"07437542177\0"), text("2002-02-28T23:59:59Z"));
    let seconds = |seconds: i64| {
        let mut field = [if seconds < 0 { 0xff } else { 0x80 }; 12];
        field[1..4].fill(if seconds < 0 { 0xff } else { 0 });
        field[4..].copy_from_slice(&seconds.to_be_bytes());
        time(&field)
    };
    assert_eq!(seconds(951_782_400), text("2000-02-29T00:00:00Z"));
    assert_eq!(seconds(-2_203_891_201), text("1900-02-28T23:59:59Z"));
    assert_eq!(seconds(-1), text("1969-12-31T23:59:59Z"));
    assert_eq!(seconds(253_402_300_799), text("9999-12-31T23:59:59Z"));
    assert_eq!(seconds(253_402_300_800), text(""));
    assert_eq!(seconds(-62_167_219_200), text("0000-01-01T00:00:00Z"));
    assert_eq!(seconds(-62_167_219_201), text(""));
    assert_eq!(seconds(i64::MAX), text(""));
    assert_eq!(seconds(i64::MIN), text(""));
}

#[test]
fn messages_name_the_offset_and_the_fault() {
    let error = scan_with_field(124, b"00000000009\0").expect_err("not a number");
    let message = error.to_string();
    assert_eq!(
        message,
        "tar header before uncompressed offset 512 is invalid: field `size` is not a number"
    );
    let error = scan_with_field(156, b"V").expect_err("a volume label");
    assert_eq!(
        error.to_string(),
        "tar entry `a/hello.txt` before uncompressed offset 512 has type `V`, which a ztoc cannot hold"
    );
}
