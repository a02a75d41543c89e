//! The reader of ztocs, with random access: the input is a layer and a ztoc that may be of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};
use soci_fuzz::{Input, Numbers, TOOL};
use soci_ztoc::extract::LayerReader;
use soci_ztoc::{Provenance, Ztoc};

/// The most bytes of a span that are read.
const MAX_SPAN: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (mode, seed, length) = (input.byte(), input.short(), input.short());
    let layer = input.take(length.into());
    let Ok(mut ztoc) = Ztoc::decode(input.rest()) else {
        return;
    };
    let again = ztoc.encode().expect("no larger than its input");
    assert_eq!(
        Ztoc::decode(&again).as_ref(),
        Ok(&ztoc),
        "encoding changes the ztoc"
    );

    let mut count = 0;
    ztoc.visit_reader_violations(|violation| {
        count += usize::from(!violation.to_string().is_empty());
    });
    let _disabled = ztoc.can_disable_xattrs();
    let provenance = Provenance {
        compressed_size: ztoc.compressed_archive_size,
        compression: ztoc.compression_info.algorithm,
        span_size: u64::from(seed),
        build_tool_identifier: TOOL,
    };
    if let Err(error) = ztoc.check_provenance(&provenance) {
        assert!(!error.to_string().is_empty());
    }
    if mode & 1 == 0 {
        forge_digests(&mut ztoc, layer);
    }
    read_randomly(&ztoc, layer, seed);
});

/// Replaces the digests of the spans by those of the bytes in the layer, as an attacker would.
fn forge_digests(ztoc: &mut Ztoc, layer: &[u8]) {
    let Ok(spans) = ztoc.spans() else { return };
    for (span, digest) in spans.iter().zip(&mut ztoc.compression_info.span_digests) {
        let index = |offset: u64| {
            usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(layer.len())
        };
        let bytes = layer.get(index(span.compressed_start)..index(span.compressed_end));
        *digest = Sha256::digest(bytes.unwrap_or_default()).into();
    }
}

fn read_randomly(ztoc: &Ztoc, layer: &[u8], seed: u16) {
    let Ok(reader) = LayerReader::new(ztoc, layer) else {
        return;
    };
    let mut reader = reader.with_max_span(MAX_SPAN);
    for index in 0..reader.spans().len().min(8) {
        let span = reader.spans()[index];
        if let Ok(bytes) = reader.read_span(index) {
            let length = span
                .uncompressed_end
                .saturating_sub(span.uncompressed_start);
            assert_eq!(bytes.len() as u64, length);
        }
    }
    let mut numbers = Numbers::new(seed);
    for _ in 0..4 {
        let entry = numbers.below(ztoc.toc.len() + 1);
        if let Ok(bytes) = reader.read_entry(entry) {
            let entry = &ztoc.toc[entry];
            if entry.entry_type.has_contents() {
                assert_eq!(bytes.len() as i64, entry.uncompressed_size);
            }
        }
        let start = numbers.below(1 << 17) as u64;
        let length = numbers.below(1 << 17) as u64;
        if let Ok(bytes) = reader.read_bytes(start, start + length) {
            assert_eq!(bytes.len() as u64, length);
        }
    }
}
