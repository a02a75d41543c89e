//! The tar pass: plain tars, whose headers have right checksums.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soci_fuzz::{Input, TOOL, check_ztoc, repair_checksums, scan};
use soci_ztoc::{
    Compression, EntryType, Limits, Needs, Provenance, ScanError, TarIndex, TarIndexer,
};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (mode, span_size, seed) = (input.byte(), input.short(), input.short());
    let mut tar = input.rest().to_vec();
    if mode & 1 == 0 {
        repair_checksums(&mut tar);
    }
    let span_size = u64::from(span_size) + 1;
    let indexed = index_members(&tar);
    let Ok(ztoc) = scan(&tar, Compression::Uncompressed, span_size, seed) else {
        return;
    };
    check_ztoc(&ztoc, &tar, &tar, seed);
    // A ztoc refuses types of entries that an archive of images may have, but not the reverse.
    let indexed = indexed.expect("a tar that a ztoc can be built of");
    assert_eq!(indexed.members, ztoc.toc);

    let provenance = Provenance {
        compressed_size: tar.len() as u64,
        compression: Compression::Uncompressed,
        span_size,
        build_tool_identifier: TOOL,
    };
    assert_eq!(ztoc.check_provenance(&provenance), Ok(()));
    let mut is_sound = true;
    ztoc.visit_reader_violations(|violation| {
        assert!(!violation.to_string().is_empty());
        is_sound = false;
    });
    if is_sound {
        let mut reader = soci_ztoc::extract::LayerReader::new(&ztoc, &tar[..]).expect("spans");
        for (index, entry) in ztoc.toc.iter().enumerate() {
            let found = reader.read_entry(index).expect("readers accept the ztoc");
            let start = usize::try_from(entry.uncompressed_offset).expect("small");
            let length = match entry.entry_type {
                EntryType::Regular => usize::try_from(entry.uncompressed_size).expect("small"),
                _ => 0,
            };
            assert_eq!(found, &tar[start..start + length], "entry {index}");
        }
    }
});

/// Indexes the members of an archive, without the bytes that may be skipped.
fn index_members(tar: &[u8]) -> Result<TarIndex, ScanError> {
    let mut indexer = TarIndexer::new(Compression::Uncompressed, Limits::default())?;
    let mut rest = tar;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.len().min(512));
        rest = after;
        match indexer.feed(chunk)? {
            Needs::Bytes => {}
            Needs::Nothing => break,
            Needs::SkippedBytes(bytes) => {
                let skipped = bytes.min(rest.len() as u64);
                indexer.skip(skipped);
                rest = &rest[usize::try_from(skipped).expect("at most the rest")..];
            }
        }
    }
    indexer.finish()
}
