//! Decoded ztocs agree with the recorded description of each, and are encoded to the same bytes.

use serde_json::Value;
use soci_testkit::golden;
use soci_ztoc::{FileMetadata, Ztoc};

use crate::support::{first_difference, hex, text_or_base64};

#[test]
fn decoded_ztocs_encode_to_the_same_bytes() {
    for case in golden::layers() {
        let Some(recorded) = case.ztoc else { continue };
        let ztoc = Ztoc::decode(recorded).expect("a valid ztoc of the reference");
        let encoded = ztoc.encode().expect("less than 1 GiB");
        if encoded != recorded {
            let difference = first_difference(&encoded, recorded);
            panic!("`{}`: {difference}", case.name);
        }
        assert_eq!(Ztoc::decode(&encoded).as_ref(), Ok(&ztoc), "{}", case.name);
    }
}

#[test]
fn decoded_entries_agree_with_the_record() {
    for case in golden::layers() {
        let (Some(recorded), Some(toc)) = (case.ztoc, case.toc) else {
            continue;
        };
        let ztoc = Ztoc::decode(recorded).expect("a valid ztoc of the reference");
        let toc = toc.as_array().expect("a list");
        assert_eq!(ztoc.toc.len(), toc.len(), "{}", case.name);
        for (entry, recorded) in ztoc.toc.iter().zip(toc) {
            assert_entry_equals(entry, recorded);
        }
    }
}

fn assert_entry_equals(entry: &FileMetadata, recorded: &Value) {
    let text = |field: &str| text_or_base64(&recorded[field]);
    let number = |field: &str| recorded[field].as_i64().expect("a number");
    let fields = [
        (&entry.name, "name"),
        (&entry.linkname, "linkname"),
        (&entry.uname, "uname"),
        (&entry.gname, "gname"),
    ];
    for (found, field) in fields {
        assert_eq!(*found, text(field), "{field} of {recorded}");
    }
    assert_eq!(entry.entry_type.as_str(), recorded["type"]);
    assert_eq!(entry.mod_time, recorded["mod_time"]);
    assert_eq!(recorded["uncompressed_offset"], entry.uncompressed_offset);
    let numbers = [
        (entry.uncompressed_size, "uncompressed_size"),
        (entry.mode, "mode"),
        (entry.uid.into(), "uid"),
        (entry.gid.into(), "gid"),
        (entry.devmajor, "devmajor"),
        (entry.devminor, "devminor"),
    ];
    for (found, field) in numbers {
        assert_eq!(found, number(field), "{field} of {recorded}");
    }
    let records = recorded["pax_headers"].as_array().expect("a list");
    assert_eq!(entry.xattrs.len(), records.len(), "{recorded}");
    for (xattr, record) in entry.xattrs.iter().zip(records) {
        assert_eq!(xattr.key, text_or_base64(&record["key"]), "{recorded}");
        assert_eq!(xattr.value, text_or_base64(&record["value"]), "{recorded}");
    }
}

#[test]
fn decoded_spans_agree_with_the_record() {
    for case in golden::layers() {
        let (Some(recorded), Some(spans)) = (case.ztoc, case.spans) else {
            continue;
        };
        let ztoc = Ztoc::decode(recorded).expect("a valid ztoc of the reference");
        let found = ztoc.spans().expect("decoding checked the spans");
        let spans = spans.as_array().expect("a list");
        assert_eq!(found.len(), spans.len(), "{}", case.name);
        for (index, (span, recorded)) in found.iter().zip(spans).enumerate() {
            assert_eq!(recorded["start_compressed"], span.compressed_start);
            assert_eq!(recorded["end_compressed"], span.compressed_end);
            let digest = &ztoc.compression_info.span_digests[index];
            assert_eq!(recorded["digest"], format!("sha256:{}", hex(digest)));
            if let Some(out) = recorded["out"].as_u64() {
                assert_eq!(out, span.uncompressed_start, "{}", case.name);
                assert_eq!(recorded["bits"], span.shared_bits, "{}", case.name);
            }
        }
    }
}
