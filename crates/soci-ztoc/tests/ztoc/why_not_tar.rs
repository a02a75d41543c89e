//! Where the `tar` crate differs from Go's `archive/tar`, which the readers of a ztoc use. For
//! these points this crate has a reader of its own (`docs/design/0006-own-tar-reader.md`). A test
//! that fails shows that the `tar` crate has caught up on its point.

use soci_ztoc::{ScanError, TarFault, Xattr};
use tar::{Archive, Builder, Header};

use crate::headers::{scan_one_entry, tar_with_field};
use crate::vectors::one_file_tar;

/// Returns the header of an empty file.
fn empty_file() -> Header {
    let mut header = Header::new_ustar();
    header.set_size(0);
    header.set_mode(0o644);
    header
}

#[test]
fn xattr_values_with_a_newline_are_split() {
    let key = "SCHILY.xattr.security.capability";
    let value = b"a\nb";
    let mut builder = Builder::new(Vec::new());
    let records = [(key, value.as_slice())];
    builder.append_pax_extensions(records).expect("to memory");
    let mut header = empty_file();
    let file = builder.append_data(&mut header, "file", &[][..]);
    file.expect("to memory");
    let tar = builder.into_inner().expect("to memory");

    let mut archive = Archive::new(tar.as_slice());
    let entry = archive.entries().expect("a tar").next();
    let mut entry = entry.expect("an entry").expect("a valid entry");
    let records = entry.pax_extensions().expect("records");
    let records: Result<Vec<_>, _> = records.expect("records").collect();
    assert!(records.is_err(), "the tar crate accepts the record");

    let entry = scan_one_entry(&tar).expect("a valid tar");
    let expected = Xattr {
        key: key.into(),
        value: value.into(),
    };
    assert_eq!(entry.xattrs, [expected]);
}

#[test]
fn blank_numeric_fields_are_refused() {
    let tar = tar_with_field(100, b"        ");

    let mut archive = Archive::new(tar.as_slice());
    let entry = archive.entries().expect("a tar").next();
    let entry = entry.expect("an entry").expect("a valid entry");
    assert!(entry.header().mode().is_err(), "the tar crate accepts it");

    assert_eq!(scan_one_entry(&tar).map(|entry| entry.mode), Ok(0));
}

#[test]
fn checksums_of_signed_bytes_are_refused() {
    let mut tar = tar_with_field(0, b"\xe9");
    // As a signed byte, 0xe9 is 256 less.
    let sum = std::str::from_utf8(&tar[148..154]).expect("digits");
    let sum = u32::from_str_radix(sum, 8).expect("octal") - 256;
    tar[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());

    let mut archive = Archive::new(tar.as_slice());
    let entry = archive.entries().expect("a tar").next();
    assert!(
        entry.expect("an entry").is_err(),
        "the tar crate accepts it"
    );

    let entry = scan_one_entry(&tar).expect("a valid tar");
    assert_eq!(entry.name, b"\xe9/hello.txt");
}

#[test]
fn a_single_block_of_zeros_ends_the_archive() {
    let tar = [vec![0; 512], one_file_tar()].concat();

    let mut archive = Archive::new(tar.as_slice());
    let entry = archive.entries().expect("a tar").next();
    assert!(entry.is_none(), "the tar crate reads on");

    let fault = TarFault::LoneZeroBlock;
    let error = ScanError::TarHeader {
        offset: 1024,
        fault,
    };
    assert_eq!(scan_one_entry(&tar), Err(error));
}

#[test]
fn long_names_have_no_limit() {
    let name = "n".repeat(2 << 20);
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    let file = builder.append_data(&mut header, &name, &[][..]);
    file.expect("to memory");
    let tar = builder.into_inner().expect("to memory");

    let mut archive = Archive::new(tar.as_slice());
    let entry = archive.entries().expect("a tar").next();
    let entry = entry.expect("an entry").expect("a valid entry");
    assert_eq!(entry.path_bytes().len(), name.len());

    let error = scan_one_entry(&tar).expect_err("a name beyond the limit");
    assert!(
        matches!(error, ScanError::ExtensionTooLong { .. }),
        "{error}"
    );
}
