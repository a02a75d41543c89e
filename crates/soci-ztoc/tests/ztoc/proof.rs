//! The proof of a ztoc against its layer.

use soci_testkit::golden::{self, LayerCase};
use soci_ztoc::proof::{
    ContentProof, DigestProof, MAX_FINDINGS_PER_RULE, ProofFinding, Severity, prove,
};
use soci_ztoc::{EntryType, FileMetadata, PackedZtoc, Xattr, Ztoc, build};

use crate::support::{TOOL, compression};

/// Bytes of the checkpoint list before the first checkpoint: count and span size.
const LIST_HEADER: usize = 12;

/// Bytes of a checkpoint: two offsets, the unused bits, the window.
const CHECKPOINT: usize = 8 + 8 + 1 + 32 * 1024;

/// Returns the findings of a proof.
pub(crate) fn findings(ztoc: &Ztoc, layer: &[u8]) -> Vec<ProofFinding> {
    let mut found = Vec::new();
    prove(ztoc, layer, |finding| found.push(finding)).expect("a decoded ztoc");
    found
}

/// Returns the rules that are broken, each once, without notes.
fn broken_rules(ztoc: &Ztoc, layer: &[u8]) -> Vec<&'static str> {
    let found = findings(ztoc, layer);
    let harmful = found.iter().filter(|one| one.severity() > Severity::Note);
    let mut rules: Vec<_> = harmful.map(ProofFinding::rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Returns a recorded layer with its ztoc.
fn recorded(name: &str) -> (LayerCase, Ztoc) {
    let case = golden::layer(name);
    let ztoc = case.ztoc.expect("a ztoc is recorded");
    (case, Ztoc::decode(ztoc).expect("a valid ztoc"))
}

/// Applies `change` to the ztoc of a layer with several spans, and asserts that exactly `rules` are
/// broken.
fn assert_found(change: impl FnOnce(&mut Ztoc), rules: &[&str]) {
    let (case, mut ztoc) = recorded("gzip-9");
    change(&mut ztoc);
    assert_eq!(broken_rules(&ztoc, case.layer), rules);
}

/// Applies `change` to the same ztoc, and asserts that only a note with this rule is found.
fn assert_note(change: impl FnOnce(&mut Ztoc), rule: &str) {
    let (case, mut ztoc) = recorded("gzip-9");
    change(&mut ztoc);
    let found = findings(&ztoc, case.layer);
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.severity(), one.rule()))
        .collect();
    assert_eq!(found, [(Severity::Note, rule)]);
}

/// Returns the checkpoint of a span in stored form.
fn checkpoint(ztoc: &mut Ztoc, span: usize) -> &mut [u8] {
    let start = LIST_HEADER + span * CHECKPOINT;
    &mut ztoc.compression_info.checkpoints[start..start + CHECKPOINT]
}

/// Returns the window of a checkpoint.
fn window(ztoc: &mut Ztoc, span: usize) -> &mut [u8] {
    &mut checkpoint(ztoc, span)[17..]
}

/// Returns a regular file of the ztoc with contents.
fn file(ztoc: &mut Ztoc) -> &mut FileMetadata {
    let mut files = ztoc.toc.iter_mut();
    let is_file = |entry: &&mut FileMetadata| {
        entry.entry_type == EntryType::Regular && entry.uncompressed_size > 0
    };
    files.find(is_file).expect("a file")
}

#[test]
fn what_the_reference_made_of_each_golden_is_proved() {
    let mut count = 0;
    for case in golden::layers() {
        let Some(ztoc) = case.ztoc else { continue };
        let ztoc = Ztoc::decode(ztoc).expect("a valid ztoc");
        let found = findings(&ztoc, case.layer);
        if case.name == "tar-ids-overflow" {
            // No ztoc can hold the owners of this layer.
            assert_eq!(
                broken_rules(&ztoc, case.layer),
                ["ztoc-entry-owner-too-large"]
            );
        } else {
            assert_eq!(found, [], "{}", case.name);
        }
        count += 1;
    }
    assert!(count > 150, "{count} goldens");
}

#[test]
fn any_span_size_is_proved() {
    for case in golden::layers().into_iter().step_by(5) {
        let Some(compression) = compression(&case) else {
            continue;
        };
        for span_size in [1, 700, 40_000, 1 << 40] {
            if let Ok(ztoc) = build(case.layer, compression, span_size, TOOL) {
                let rules = broken_rules(&ztoc, case.layer);
                assert!(
                    rules.is_empty() || case.name == "tar-ids-overflow",
                    "{} with {span_size}: {rules:?}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn another_choice_of_checkpoints_is_proved() {
    let case = golden::layer("gzip-9");
    let gzip = compression(&case).expect("gzip");
    let all = build(case.layer, gzip, 0, TOOL).expect("a layer");
    let all = all.compression_info.checkpoints;
    let mut ztoc = build(case.layer, gzip, 1 << 30, TOOL).expect("a layer");
    // Each third block start, which no span size gives.
    let records: Vec<_> = all[LIST_HEADER..].chunks(CHECKPOINT).step_by(3).collect();
    let count = i32::try_from(records.len()).expect("few checkpoints");
    let info = &mut ztoc.compression_info;
    info.checkpoints = [&count.to_le_bytes()[..], &[0; 8], &records.concat()].concat();
    info.max_span_id = count - 1;
    info.span_digests = vec![[0; 32]; records.len()];
    let spans = ztoc.spans().expect("consistent");
    for (span, digest) in spans.iter().zip(&mut ztoc.compression_info.span_digests) {
        let at = |offset| usize::try_from(offset).expect("small");
        let bytes = &case.layer[at(span.compressed_start)..at(span.compressed_end)];
        let mut hasher = soci_ztoc::SpanHasher::new();
        hasher.feed(bytes, &[]);
        *digest = hasher.finish().layer;
    }
    assert!(count > 2);
    assert_eq!(findings(&ztoc, case.layer), []);
}

#[test]
fn times_in_another_zone_are_proved() {
    let (case, mut ztoc) = recorded("gzip-9");
    let utc = file(&mut ztoc).mod_time.trim_end_matches('Z').to_owned();
    file(&mut ztoc).mod_time = format!("{utc}-00:00");
    assert_eq!(findings(&ztoc, case.layer), []);
    let (day, time) = utc.split_once('T').expect("a date");
    file(&mut ztoc).mod_time = format!("{day}T{time}+01:00");
    assert_eq!(broken_rules(&ztoc, case.layer), ["ztoc-entry-time"]);
}

#[test]
fn a_forged_window_is_found() {
    assert_found(|ztoc| window(ztoc, 1).fill(b'x'), &["ztoc-window"]);
    assert_found(|ztoc| window(ztoc, 2).rotate_left(1), &["ztoc-window"]);
}

#[test]
fn a_window_with_other_bytes_that_the_span_does_not_use_is_a_note() {
    let (case, mut ztoc) = recorded("gzip-9");
    // The tar starts here, so no byte before it is used.
    window(&mut ztoc, 0).fill(b'x');
    let found = findings(&ztoc, case.layer);
    let [finding] = found.as_slice() else {
        panic!("one finding, found {found:?}")
    };
    assert_eq!(finding.severity(), Severity::Note);
    assert_eq!(finding.rule(), "ztoc-window-unused");
    assert_eq!(
        finding.to_string(),
        "the window of span 0 is not the tar before it: 32768 of its bytes differ, and the span \
         inflates to the right bytes all the same"
    );
}

/// The span begins within a byte, which the span before shares.
#[test]
fn a_byte_of_a_window_that_a_span_within_a_byte_does_not_use_is_a_note() {
    let (case, mut ztoc) = recorded("gzip-9");
    let count = ztoc.spans().expect("sound checkpoints").len();
    let begins_in_byte = |span: &usize| checkpoint(&mut ztoc, *span)[16] > 0;
    let span = (1..count).find(begins_in_byte).expect("such a span");
    window(&mut ztoc, span)[0] ^= 1;
    let found = findings(&ztoc, case.layer);
    let rules: Vec<_> = found.iter().map(ProofFinding::rule).collect();
    assert_eq!(rules, ["ztoc-window-unused"]);
}

#[test]
fn a_checkpoint_within_a_block_is_found() {
    for (byte, change) in [(0, 1_u8), (16, 3)] {
        let (case, mut ztoc) = recorded("gzip-9");
        checkpoint(&mut ztoc, 1)[byte] ^= change;
        let rules = broken_rules(&ztoc, case.layer);
        assert!(rules.contains(&"ztoc-span-start"), "{rules:?}");
    }
}

/// No block starts there or later, so that only the end of the layer shows it.
#[test]
fn a_checkpoint_after_the_last_block_start_is_found() {
    let (case, mut ztoc) = recorded("gzip-9");
    let last = ztoc.compression_info.span_digests.len() - 1;
    let end = case.layer.len() as u64 - 8;
    checkpoint(&mut ztoc, last)[..8].copy_from_slice(&end.to_le_bytes());
    let rules = broken_rules(&ztoc, case.layer);
    assert!(rules.contains(&"ztoc-span-start"), "{rules:?}");
}

#[test]
fn a_wrong_uncompressed_offset_of_a_checkpoint_is_found() {
    assert_found(|ztoc| checkpoint(ztoc, 1)[8] ^= 1, &["ztoc-span-offset"]);
    let first = &["ztoc-first-span", "ztoc-span-offset"];
    assert_found(|ztoc| checkpoint(ztoc, 0)[8] ^= 1, first);
}

#[test]
fn forged_and_swapped_digests_are_found() {
    let digests = |ztoc: &mut Ztoc| ztoc.compression_info.span_digests.swap(0, 1);
    assert_found(digests, &["ztoc-span-digest"]);
    assert_found(
        |ztoc| ztoc.compression_info.span_digests[2][31] ^= 1,
        &["ztoc-span-digest"],
    );
}

#[test]
fn each_wrong_field_of_an_entry_is_found() {
    assert_found(|ztoc| file(ztoc).name.push(b'x'), &["ztoc-entry-name"]);
    assert_found(
        |ztoc| file(ztoc).uncompressed_offset += 512,
        &["ztoc-entry-offset"],
    );
    assert_found(
        |ztoc| file(ztoc).uncompressed_size -= 1,
        &["ztoc-entry-size"],
    );
    assert_found(|ztoc| file(ztoc).linkname.push(b'x'), &["ztoc-entry-link"]);
    assert_found(|ztoc| file(ztoc).mode ^= 0o4000, &["ztoc-entry-mode"]);
    assert_found(|ztoc| file(ztoc).uid ^= 1, &["ztoc-entry-owner"]);
    assert_found(|ztoc| file(ztoc).gid ^= 1, &["ztoc-entry-group"]);
    assert_found(
        |ztoc| file(ztoc).uname.push(b'x'),
        &["ztoc-entry-owner-name"],
    );
    assert_found(
        |ztoc| file(ztoc).gname.push(b'x'),
        &["ztoc-entry-group-name"],
    );
    assert_found(|ztoc| file(ztoc).mod_time.clear(), &["ztoc-entry-time"]);
    assert_found(|ztoc| file(ztoc).devmajor ^= 1, &["ztoc-entry-device"]);
    assert_found(|ztoc| file(ztoc).devminor ^= 1, &["ztoc-entry-device"]);
    let change_type = |ztoc: &mut Ztoc| file(ztoc).entry_type = EntryType::Fifo;
    assert_found(change_type, &["ztoc-entry-type"]);
    let xattr = |key: &[u8]| Xattr {
        key: key.to_vec(),
        value: b"x".to_vec(),
    };
    let add_xattr = |ztoc: &mut Ztoc| file(ztoc).xattrs.push(xattr(b"SCHILY.xattr.user.x"));
    assert_found(add_xattr, &["ztoc-entry-xattr"]);
    // Readers do not use other records.
    let add_record = |ztoc: &mut Ztoc| file(ztoc).xattrs.push(xattr(b"comment"));
    assert_note(add_record, "ztoc-entry-record");
}

/// A file of a golden that has extended attributes loses one of them in the ztoc.
#[test]
fn a_missing_extended_attribute_is_found() {
    let is_xattr = |xattr: &Xattr| xattr.key.starts_with(b"SCHILY.xattr.");
    let mut goldens = golden::layers().into_iter();
    let (case, mut ztoc) = goldens
        .find_map(|case| {
            let ztoc = Ztoc::decode(case.ztoc?).expect("a valid ztoc");
            let mut xattrs = ztoc.toc.iter().flat_map(|entry| &entry.xattrs);
            xattrs.any(is_xattr).then_some((case, ztoc))
        })
        .expect("a golden with extended attributes");
    let mut entries = ztoc.toc.iter_mut();
    let has_xattr = |entry: &&mut FileMetadata| entry.xattrs.iter().any(is_xattr);
    let entry = entries.find(has_xattr).expect("an entry");
    let position = entry.xattrs.iter().position(is_xattr).expect("an xattr");
    entry.xattrs.remove(position);
    assert_eq!(broken_rules(&ztoc, case.layer), ["ztoc-entry-xattr"]);
}

#[test]
fn a_wrong_number_is_shown_with_the_right_one() {
    let shown = |change: fn(&mut FileMetadata)| {
        let (case, mut ztoc) = recorded("gzip-9");
        change(file(&mut ztoc));
        findings(&ztoc, case.layer)[0].to_string()
    };
    let text = shown(|entry| entry.mode = 0o4711);
    assert!(text.ends_with(": 0o4711, expected 0o755"), "{text}");
    let text = shown(|entry| entry.uid = 4711);
    assert!(text.ends_with(": 4711, expected 1000"), "{text}");
}

#[test]
fn swapped_missing_and_invented_entries_are_found() {
    let swap_names = |ztoc: &mut Ztoc| {
        let name = std::mem::take(&mut ztoc.toc[3].name);
        ztoc.toc[3].name = std::mem::replace(&mut ztoc.toc[4].name, name);
    };
    assert_found(swap_names, &["ztoc-entry-name"]);
    assert_found(|ztoc| drop(ztoc.toc.remove(3)), &["ztoc-entry-missing"]);
    assert_found(|ztoc| ztoc.toc.truncate(5), &["ztoc-entry-missing"]);
    assert_found(|ztoc| ztoc.toc.clear(), &["ztoc-entry-missing"]);
    let repeat = |ztoc: &mut Ztoc| {
        let mut entry = ztoc.toc[3].clone();
        entry.uncompressed_offset += 1;
        entry.name.push(b'x');
        ztoc.toc.insert(4, entry);
    };
    assert_found(repeat, &["ztoc-entry-unknown"]);
    let append = |ztoc: &mut Ztoc| {
        let mut entry = ztoc.toc[3].clone();
        entry.uncompressed_offset = ztoc.uncompressed_archive_size;
        ztoc.toc.push(entry);
    };
    assert_found(append, &["ztoc-entry-unknown"]);
}

#[test]
fn entries_in_another_order_are_a_note_since_readers_sort_them() {
    let (case, mut ztoc) = recorded("gzip-9");
    ztoc.toc.reverse();
    let found = findings(&ztoc, case.layer);
    assert_eq!(found, [ProofFinding::EntryOrder]);
    assert_eq!(found[0].rule(), "ztoc-entry-order");
}

#[test]
fn wrong_sizes_are_found() {
    assert_found(|ztoc| ztoc.compressed_archive_size += 1, &["ztoc-size"]);
    assert_found(
        |ztoc| ztoc.uncompressed_archive_size <<= 1,
        &["ztoc-tar-size"],
    );
    assert_found(
        |ztoc| ztoc.uncompressed_archive_size >>= 1,
        &["ztoc-tar-size"],
    );
    // Only a block of the end of the archive is left out, which is not an entry.
    assert_note(|ztoc| ztoc.uncompressed_archive_size -= 512, "ztoc-tar-end");
    let end_of_contents = |ztoc: &Ztoc| {
        let ends = ztoc
            .toc
            .iter()
            .filter(|entry| entry.entry_type == EntryType::Regular)
            .map(|entry| entry.uncompressed_offset + entry.uncompressed_size.cast_unsigned());
        ends.max().expect("a file")
    };
    let cut_at_end = |ztoc: &mut Ztoc| ztoc.uncompressed_archive_size = end_of_contents(ztoc);
    assert_note(cut_at_end, "ztoc-tar-end");
    let cut_before_end =
        |ztoc: &mut Ztoc| ztoc.uncompressed_archive_size = end_of_contents(ztoc) - 1;
    assert_found(cut_before_end, &["ztoc-tar-size"]);
}

#[test]
fn a_layer_that_is_cut_short_or_damaged_is_found() {
    let (case, ztoc) = recorded("gzip-9");
    let half = &case.layer[..case.layer.len() / 2];
    let rules = broken_rules(&ztoc, half);
    assert_eq!(rules, ["layer-unreadable", "ztoc-size", "ztoc-span-digest"]);
    let mut damaged = case.layer.to_vec();
    damaged[case.layer.len() / 2] ^= 1;
    let rules = broken_rules(&ztoc, &damaged);
    assert!(rules.contains(&"ztoc-span-digest"), "{rules:?}");
}

#[test]
fn the_ztoc_of_another_layer_is_found() {
    let (case, _) = recorded("gzip-9");
    let (_, other) = recorded("tar-symlinks");
    assert!(!broken_rules(&other, case.layer).is_empty());
    let (_, plain) = recorded("tar-plain");
    assert!(broken_rules(&plain, case.layer).contains(&"layer-unreadable"));
}

#[test]
fn findings_are_bounded_and_counted() {
    let (case, mut ztoc) = recorded("gzip-9");
    for entry in &mut ztoc.toc {
        entry.mode ^= 1;
    }
    let mut visited = 0;
    let proven = prove(&ztoc, case.layer, |_| visited += 1).expect("a decoded ztoc");
    assert_eq!(visited, MAX_FINDINGS_PER_RULE);
    let count = ztoc.toc.len() as u64;
    assert_eq!(proven.content.findings.by_rule()["ztoc-entry-mode"], count);
    assert_eq!(proven.content.findings.count(Severity::Error), count);
    assert_eq!(proven.content.entries, count);
}

#[test]
fn names_in_findings_are_short_and_printable() {
    let (case, mut ztoc) = recorded("gzip-9");
    let mut name = b"\x1b[31m\xe2\x80\xae\xff".to_vec();
    name.resize(1 << 20, b'x');
    file(&mut ztoc).linkname = name;
    let found = findings(&ztoc, case.layer);
    let text = found[0].to_string();
    assert!(text.len() < 1000, "{}", text.len());
    assert!(text.contains(r"\u{1b}[31m\u{202e}"), "{text}");
}

#[test]
fn any_division_into_chunks_gives_the_same_findings() {
    let (case, ztoc) = recorded("gzip-9");
    let count = ztoc.compression_info.span_digests.len();
    let (mut harmful, mut harmless) = (ztoc.clone(), ztoc);
    for span in 0..count {
        window(&mut harmful, span)[40 * span..].rotate_left(1);
        window(&mut harmless, span)[0] ^= 1;
    }
    harmful.toc[3].mode ^= 1;
    for ztoc in [&harmful, &harmless] {
        let expected = sorted(findings(ztoc, case.layer));
        assert!(expected.len() > 2);
        for length in [1, 7, 511, 16 << 10] {
            let mut found = Vec::new();
            let mut content = ContentProof::new(ztoc).expect("a decoded ztoc");
            let mut digests = DigestProof::new(ztoc).expect("a decoded ztoc");
            for chunk in case.layer.chunks(length) {
                content.feed(chunk, |finding| found.push(finding));
                digests.feed(chunk);
            }
            digests.finish(|finding| found.push(finding));
            content.finish(|finding| found.push(finding));
            assert_eq!(sorted(found), expected, "chunks of {length} bytes");
        }
    }
}

fn sorted(mut findings: Vec<ProofFinding>) -> Vec<ProofFinding> {
    findings.sort_by_key(ToString::to_string);
    findings
}

/// Packed entries in any order are compared as others are.
#[test]
fn packed_entries_give_the_same_findings() {
    let changes: [fn(&mut Ztoc); 4] = [
        |_| (),
        |ztoc| ztoc.toc.reverse(),
        |ztoc| ztoc.toc.iter_mut().for_each(|entry| entry.mode ^= 1),
        |ztoc| drop(ztoc.toc.remove(3)),
    ];
    for change in changes {
        let (case, mut ztoc) = recorded("gzip-9");
        change(&mut ztoc);
        let packed = PackedZtoc::decode(ztoc.encode().expect("a ztoc")).expect("a ztoc");
        let mut found = Vec::new();
        let mut content = ContentProof::of_packed(&packed).expect("a decoded ztoc");
        content.feed(case.layer, |finding| found.push(finding));
        let mut digests = DigestProof::of_packed(&packed).expect("a decoded ztoc");
        digests.feed(case.layer);
        digests.finish(|finding| found.push(finding));
        content.finish(|finding| found.push(finding));
        let (mut rules, mut expected) = (Vec::new(), Vec::new());
        packed.visit_reader_violations(|rule| rules.push(rule));
        ztoc.visit_reader_violations(|rule| expected.push(rule));
        assert_eq!(rules, expected);
        assert_eq!(found, findings(&ztoc, case.layer));
    }
}
