//! The maps of sparse files in PAX form. A ztoc does not hold them, but Go's `archive/tar`, which
//! the readers of a ztoc use, refuses a file whose map is malformed.

use soci_ztoc::{EntryType, FileMetadata, ScanError, TarFault};
use tar::{Builder, EntryType as Kind, Header};

use crate::headers::{header_fault, scan_one_entry};

/// The size that the records of these files give, in bytes.
const SIZE: i64 = 1000;

/// Returns a tar of one file with these records and contents.
fn sparse_tar(kind: Kind, records: &[(&str, &str)], contents: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let records = records.iter().map(|&(key, value)| (key, value.as_bytes()));
    builder.append_pax_extensions(records).expect("to memory");
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(contents.len() as u64);
    builder
        .append_data(&mut header, "placeholder", contents)
        .expect("to memory");
    builder.into_inner().expect("to memory")
}

/// Scans a file of format 0.1, whose map is in its records.
fn scan_map_in_records(kind: Kind, count: &str, map: &str) -> Result<FileMetadata, ScanError> {
    let records = [
        ("GNU.sparse.major", "0"),
        ("GNU.sparse.minor", "1"),
        ("GNU.sparse.name", "sparse"),
        ("GNU.sparse.size", &SIZE.to_string()),
        ("GNU.sparse.numblocks", count),
        ("GNU.sparse.map", map),
    ];
    scan_one_entry(&sparse_tar(kind, &records, b""))
}

/// Scans a file of format 1.0, whose map is at the front of its contents.
fn scan_map_in_contents(map: &str) -> Result<FileMetadata, ScanError> {
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "sparse"),
        ("GNU.sparse.realsize", &SIZE.to_string()),
    ];
    let mut contents = map.as_bytes().to_vec();
    contents.resize(map.len().next_multiple_of(512), 0);
    scan_one_entry(&sparse_tar(Kind::Regular, &records, &contents))
}

#[track_caller]
fn assert_malformed(scanned: Result<FileMetadata, ScanError>) {
    assert_eq!(scanned.map_err(header_fault), Err(TarFault::SparseMap));
}

/// Asserts that the contents of the file follow the map, which has `blocks` blocks after the three
/// of the extended header and the header.
#[track_caller]
fn assert_contents_after(blocks: u64, scanned: Result<FileMetadata, ScanError>) {
    let entry = scanned.expect("a well-formed map");
    assert_eq!(entry.name, b"sparse");
    assert_eq!(entry.entry_type, EntryType::Regular);
    assert_eq!(entry.uncompressed_size, SIZE);
    assert_eq!(entry.uncompressed_offset, (3 + blocks) * 512);
}

#[test]
fn a_map_in_records_lists_its_fragments_in_order_within_the_file() {
    let scan = |count, map| scan_map_in_records(Kind::Regular, count, map);
    for (count, map) in [
        ("0", ""),
        ("1", "0,1000"),
        ("2", "0,10,10,990"),
        ("2", "5,0,5,0"),
    ] {
        assert_contents_after(0, scan(count, map));
    }
    for (count, map) in [
        ("2", "10,5,0,5"),
        ("2", "0,10,9,5"),
        ("1", "0,1001"),
        ("1", "1,9223372036854775807"),
        ("1", "-1,5"),
        ("1", "0,-5"),
        ("1", "0,x"),
    ] {
        assert_malformed(scan(count, map));
    }
}

#[test]
fn a_map_in_records_has_as_many_fragments_as_the_records_tell() {
    let scan = |count, map| scan_map_in_records(Kind::Regular, count, map);
    for (count, map) in [
        ("1", ""),
        ("0", "0,5"),
        ("1", "0"),
        ("1", "0,5,5"),
        ("1", "0,5,6,5"),
        ("", "0,5"),
        ("-1", "0,5"),
        ("9223372036854775807", "0,5"),
    ] {
        assert_malformed(scan(count, map));
    }
}

/// Format 0.0 has two records for each fragment.
#[test]
fn offsets_and_lengths_alternate_in_records() {
    const AT: &str = "GNU.sparse.offset";
    const LENGTH: &str = "GNU.sparse.numbytes";
    let scan = |fragments: &[(&str, &str)]| {
        let (size, count) = (SIZE.to_string(), (fragments.len() / 2).to_string());
        let file = [
            ("GNU.sparse.size", size.as_str()),
            ("GNU.sparse.numblocks", count.as_str()),
        ];
        let records = [&file, fragments].concat();
        scan_one_entry(&sparse_tar(Kind::Regular, &records, b""))
    };
    let entry = scan(&[(AT, "0"), (LENGTH, "5"), (AT, "9"), (LENGTH, "5")]);
    assert_eq!(entry.expect("a sparse file").uncompressed_size, SIZE);
    for fragments in [
        &[(LENGTH, "0"), (AT, "5")][..],
        &[(AT, "0"), (AT, "5")],
        &[(AT, "0"), (LENGTH, "5"), (LENGTH, "9"), (AT, "5")],
        &[(AT, "0,5,7"), (LENGTH, "2")],
    ] {
        let scanned = scan(fragments);
        assert_eq!(scanned.map_err(header_fault), Err(TarFault::PaxRecord));
    }
}

#[test]
fn an_entry_without_contents_cannot_be_sparse() {
    assert_malformed(scan_map_in_records(Kind::Directory, "0", ""));
}

#[test]
fn a_map_in_the_contents_lists_its_fragments_in_order_within_the_file() {
    for map in ["0\n", "1\n0\n1000\n", "2\n0\n10\n10\n990\n"] {
        assert_contents_after(1, scan_map_in_contents(map));
    }
    for map in [
        "2\n10\n5\n0\n5\n",
        "2\n0\n10\n9\n5\n",
        "1\n0\n1001\n",
        "1\n-1\n5\n",
        "1\n0\nx\n",
        "x\n0\n5\n",
        "-1\n",
        "\n",
        "9223372036854775807\n",
    ] {
        assert_malformed(scan_map_in_contents(map));
    }
}

#[test]
fn a_map_in_the_contents_may_have_several_blocks() {
    // The map ends with the last byte of its second block.
    let even = format!("1\n{}\n5\n", "0".repeat(1019));
    assert_eq!(even.len(), 1024);
    assert_contents_after(2, scan_map_in_contents(&even));
    // The count fills more than a block, and would be 0 if its first block were all of it.
    let long_count = format!("{}1\n0\n", "0".repeat(600));
    assert_contents_after(
        3,
        scan_map_in_contents(&format!("{long_count}{:0>500}\n", 5)),
    );
    assert_malformed(scan_map_in_contents(&format!(
        "{long_count}{:0>500}\n",
        5000
    )));
}

#[test]
fn a_map_in_the_contents_ends_before_them_and_below_a_mib() {
    let part = "the map of a sparse file";
    let cut = scan_map_in_contents("2\n0\n5\n");
    let offset = 4 * 512;
    assert_eq!(cut, Err(ScanError::TarTruncated { offset, part }));

    let longest = format!("1\n{}\n5\n", "0".repeat((1 << 20) - 5));
    assert_eq!(longest.len(), 1 << 20);
    assert_contents_after(2048, scan_map_in_contents(&longest));
    let too_long = scan_map_in_contents(&format!("0{longest}"));
    let (offset, limit) = (3 * 512 + (1 << 20), 1 << 20);
    let expected = ScanError::ExtensionTooLong {
        offset,
        part,
        limit,
    };
    assert_eq!(too_long, Err(expected));
}
