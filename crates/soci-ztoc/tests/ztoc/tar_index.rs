//! Random access to the members of archives.

use std::io::{Cursor, Read as _, Write as _};

use flate2::{Compression as Level, write::GzEncoder};
use soci_testkit::image::noise;
use soci_ztoc::{Compression, LimitKind, Limits, Needs, ScanError, TarIndex, TarIndexer};

/// The size of a compressed run of zeros in bytes.
const ZEROS: usize = 16 << 20;

/// Returns a tar of these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, name, *content)
            .expect("a buffer");
    }
    builder.into_inner().expect("a buffer")
}

/// Returns bytes that deflate to about a third of their length.
fn text(seed: u64, length: usize) -> Vec<u8> {
    noise(seed, length).iter().map(|byte| byte & 3).collect()
}

fn gzip(bytes: &[u8], level: Level) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).expect("a buffer");
    encoder.finish().expect("a buffer")
}

/// Feeds a whole file in chunks, skipping what may be skipped.
fn index(file: &[u8], compression: Compression, chunk: usize) -> Result<TarIndex, ScanError> {
    let mut indexer = TarIndexer::new(compression, Limits::default())?;
    let mut at = 0;
    while at < file.len() {
        let end = (at + chunk).min(file.len());
        let needs = indexer.feed(&file[at..end])?;
        at = end;
        match needs {
            Needs::Nothing => break,
            Needs::Bytes => {}
            Needs::SkippedBytes(bytes) => {
                let skipped = usize::try_from(bytes).expect("a size").min(file.len() - at);
                indexer.skip(skipped as u64);
                at += skipped;
            }
        }
    }
    indexer.finish()
}

/// Asserts that each member can be read from its offset in the file on.
#[track_caller]
fn assert_readable(file: &[u8], index: &TarIndex, files: &[(&str, &[u8])]) {
    assert_eq!(index.members.len(), files.len());
    // The last member first: each is found from its own checkpoint.
    for (member, (name, content)) in index.members.iter().zip(files).rev() {
        assert_eq!(member.name, name.as_bytes());
        let mut bytes = vec![0; content.len()];
        let gzip = index.gzip.as_ref().expect("a gzip file");
        let reader = gzip.open_at(Cursor::new(file), member.uncompressed_offset);
        reader.expect(name).read_exact(&mut bytes).expect(name);
        assert!(bytes == *content, "{name}");
    }
}

#[test]
fn reads_the_members_of_a_gzip_file_in_any_order() {
    let (big, huge) = (text(1, 9 << 20), text(2, 13 << 20));
    let files: [(&str, &[u8]); 4] = [("a", b"x"), ("big", &big), ("empty", b""), ("huge", &huge)];
    let tar = tar(&files);
    // One member, and several as pigz and concatenated files have them.
    let half = tar.len() / 2;
    let parts = [&tar[..half], b"", &tar[half..]].map(|part| gzip(part, Level::fast()));
    for file in [
        gzip(&tar, Level::default()),
        parts.concat(),
        gzip(&tar, Level::none()),
    ] {
        for chunk in [1000, 1 << 20] {
            let index = index(&file, Compression::Gzip, chunk).expect("an archive");
            assert_readable(&file, &index, &files);
        }
    }
}

#[test]
fn skips_the_contents_of_a_plain_tar() {
    let content = noise(1, 100_000);
    let files: [(&str, &[u8]); 3] = [("a", &content), ("b", b"1"), ("c", &content)];
    let file = tar(&files);
    for chunk in [1, 512, 700, 1 << 20] {
        let index = index(&file, Compression::Uncompressed, chunk).expect("an archive");
        assert_eq!(index.members.len(), 3);
        for (member, (name, content)) in index.members.iter().zip(&files) {
            let start = usize::try_from(member.uncompressed_offset).expect("an offset");
            assert!(file[start..].starts_with(content), "{name}");
        }
    }
}

#[test]
fn skips_contents_and_padding_in_parts() {
    let content = noise(1, 1000);
    let file = tar(&[("a", &content), ("b", &content[..512]), ("c", b"1")]);
    let mut indexer = TarIndexer::new(Compression::Uncompressed, Limits::default()).expect("one");
    let header = indexer.feed(&file[..512]);
    assert_eq!(header, Ok(Needs::SkippedBytes(1024)));
    // First the contents, then their padding.
    indexer.skip(1000);
    indexer.skip(24);
    let header = indexer.feed(&file[1536..2048]);
    assert_eq!(header, Ok(Needs::SkippedBytes(512)));
    indexer.skip(100);
    indexer.skip(412);
    assert_eq!(indexer.feed(&file[2560..]), Ok(Needs::Nothing));
    let index = indexer.finish().expect("an archive");
    let offsets = index
        .members
        .iter()
        .map(|member| member.uncompressed_offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [512, 2048, 3072]);
}

#[test]
fn refuses_a_tar_whose_table_exceeds_the_limit() {
    let limits = Limits {
        ztoc_bytes: 100,
        ..Limits::default()
    };
    let mut indexer = TarIndexer::new(Compression::Uncompressed, limits).expect("an indexer");
    indexer.feed(&tar(&[("a", b"")])).expect("bytes");
    let (what, limit) = (LimitKind::ZtocBytes, 100);
    assert_eq!(
        indexer.finish().err(),
        Some(ScanError::Limit { what, limit })
    );
}

#[test]
fn reads_a_gzip_file_with_other_bytes_after_the_tar() {
    let files: [(&str, &[u8]); 1] = [("a", b"content")];
    let padded = [gzip(&tar(&files), Level::fast()), vec![0; 10_240]].concat();
    let found = index(&padded, Compression::Gzip, 1 << 20).expect("an archive");
    assert_readable(&padded, &found, &files);
}

#[test]
fn leaves_out_members_of_unknown_types() {
    let mut tar = tar(&[("a", b"content")]);
    for typeflag in [b'g', b'V'] {
        let mut header = tar::Header::new_ustar();
        header.set_path("odd").expect("a name");
        header.set_entry_type(tar::EntryType::new(typeflag));
        header.set_size(0);
        header.set_cksum();
        tar.splice(0..0, header.as_bytes().iter().copied());
    }
    let found = index(&tar, Compression::Uncompressed, 512).expect("an archive");
    assert_eq!(found.members.len(), 1);
}

#[test]
fn bounds_the_checkpoints_of_a_bomb() {
    // Each empty block is a boundary, before the first output and after it.
    let mut blocks = gzip(b"", Level::fast())[..10].to_vec();
    blocks.extend([0, 0, 0, 0xff, 0xff].repeat(100_000));
    let mut indexer = TarIndexer::new(Compression::Gzip, Limits::default()).expect("an indexer");
    assert_eq!(indexer.feed(&blocks), Ok(Needs::Bytes));
    // More output than 512 checkpoints at a distance of 4 MiB cover.
    let archive = tar_of_zeros(132);
    let found = index(&archive, Compression::Gzip, 1 << 16).expect("an archive");
    let last = (132 * ZEROS) as u64;
    let reader = found
        .gzip
        .expect("gzip")
        .open_at(Cursor::new(&archive), last);
    let mut end = Vec::new();
    reader
        .expect("an offset")
        .take(512)
        .read_to_end(&mut end)
        .expect("the end");
    assert_eq!(end, [0; 512]);
}

/// Returns a tar whose only member holds `count` times [`ZEROS`] zeros, each compressed as a gzip
/// member of its own.
fn tar_of_zeros(count: usize) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path("zeros").expect("a name");
    header.set_size((count * ZEROS) as u64);
    header.set_cksum();
    let zeros = gzip(&vec![0; ZEROS], Level::fast());
    let parts = [gzip(header.as_bytes(), Level::fast()), zeros.repeat(count)];
    [parts.concat(), gzip(&[0; 1024], Level::fast())].concat()
}

#[test]
fn rejects_files_that_are_cut_off() {
    let tar = tar(&[("a", &noise(1, 5000))]);
    let zipped = gzip(&tar, Level::default());
    assert!(index(&tar[..3000], Compression::Uncompressed, 512).is_err());
    assert!(index(&zipped[..3000], Compression::Gzip, 512).is_err());
    assert!(index(b"not a tar", Compression::Uncompressed, 512).is_err());
    assert!(index(b"\x1f\x8bnot gzip", Compression::Gzip, 512).is_err());
}
