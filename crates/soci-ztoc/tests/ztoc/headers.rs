//! Forms of tar header fields that none of the recorded layers has.

use soci_ztoc::{Compression, FileMetadata, ScanError, TarFault, Xattr, build};

use crate::support::TOOL;
use crate::vectors::one_file_tar;

/// Returns a tar of one file in which the header field at offset `at` is changed.
pub(crate) fn tar_with_field(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut tar = one_file_tar();
    set_field(&mut tar, at, bytes);
    tar
}

/// Changes the field at offset `at` of the first header, and the checksum.
fn set_field(tar: &mut [u8], at: usize, bytes: &[u8]) {
    tar[at..at + bytes.len()].copy_from_slice(bytes);
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().map(|&byte| u32::from(byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
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

/// star keeps two times after a name prefix of 131 bytes, where ustar has the end of its prefix.
#[test]
fn names_of_star_end_before_its_times() {
    let mut tar = one_file_tar();
    set_field(&mut tar, 257, b"ustar\x0000");
    set_field(&mut tar, 508, b"tar\0");
    set_field(&mut tar, 345, &[b'p'; 131]);
    set_field(&mut tar, 476, b"14524770400\x0014524770400\0");
    let entry = scan_one_entry(&tar).expect("a valid tar");
    let expected = [&[b'p'; 131][..], b"/a/hello.txt"].concat();
    assert_eq!(entry.name, expected);
    set_field(&mut tar, 488, b"no time");
    let field = "access or change time";
    let fault = TarFault::Number { field };
    let offset = 512;
    assert_eq!(
        scan_one_entry(&tar),
        Err(ScanError::TarHeader { offset, fault })
    );
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

/// Returns what is wrong with a header.
#[track_caller]
pub(crate) fn header_fault(error: ScanError) -> TarFault {
    match error {
        ScanError::TarHeader { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

/// Returns a tar of one file after an extended header with this payload.
pub(crate) fn tar_with_records(payload: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path("records").expect("a short name");
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(payload.len() as u64);
    header.set_cksum();
    let mut tar = header.as_bytes().to_vec();
    tar.extend(payload);
    tar.resize(tar.len().next_multiple_of(512), 0);
    tar.extend(one_file_tar());
    tar
}

/// Scans a tar of one file after an extended header with this payload, and returns its attributes,
/// or what is wrong with a header.
fn scan_with_records(payload: &[u8]) -> Result<Vec<Xattr>, TarFault> {
    let scanned = scan_one_entry(&tar_with_records(payload));
    scanned.map(|entry| entry.xattrs).map_err(header_fault)
}

#[test]
fn the_shortest_record_has_five_bytes() {
    let (key, value) = (b"a".to_vec(), Vec::new());
    assert_eq!(scan_with_records(b"5 a=\n"), Ok(vec![Xattr { key, value }]));
    for malformed in ["4 =\n", "5 aa\n", "6 a=\n", "4 a=\n"] {
        let scanned = scan_with_records(malformed.as_bytes());
        assert_eq!(scanned, Err(TarFault::PaxRecord), "{malformed}");
    }
}

#[test]
fn a_record_has_a_key_and_a_line_end_and_no_nul_in_names() {
    assert!(scan_with_records(b"8 a=b\0c\n").is_ok());
    for malformed in [
        "6 =bc\n",
        "6 a=bc",
        "7 a\0=b\n",
        "10 path=\0\n",
        "11 uname=\0\n",
    ] {
        let scanned = scan_with_records(malformed.as_bytes());
        assert_eq!(scanned, Err(TarFault::PaxRecord), "{malformed:?}");
    }
}

#[test]
fn an_extended_header_has_at_most_a_mib() {
    let payload = |value: usize| format!("1048576 a={}\n", "x".repeat(value));
    let longest = payload((1 << 20) - 11);
    assert_eq!(longest.len(), 1 << 20);
    let attributes = scan_with_records(longest.as_bytes()).expect("a record");
    assert_eq!(attributes[0].value.len(), (1 << 20) - 11);
    let tar = tar_with_records(payload((1 << 20) - 10).as_bytes());
    let (offset, limit) = (512 + (1 << 20) + 1, 1 << 20);
    let part = "an extended header or long name";
    let expected = ScanError::ExtensionTooLong {
        offset,
        part,
        limit,
    };
    assert_eq!(scan_one_entry(&tar), Err(expected));
}

#[test]
fn numbers_and_times_in_records_are_checked() {
    for field in ["uid", "gid", "size", "mtime", "atime", "ctime"] {
        let scan = |value: &str| {
            let length = field.len() + value.len() + 5;
            scan_with_records(format!("{length} {field}={value}\n").as_bytes())
        };
        assert!(scan("0005").is_ok(), "{field}");
        assert_eq!(scan("000x"), Err(TarFault::PaxNumber { field }));
    }
}
