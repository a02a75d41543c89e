//! A ztoc with any values in its fields is decoded as it was encoded.

use proptest::collection::vec;
use proptest::prelude::*;
use soci_ztoc::{
    Compression, EntryType, FileMetadata, LayerScanner, SpanHasher, Xattr, Ztoc, build,
};

use crate::support::TOOL;

fn any_entry_type() -> impl Strategy<Value = EntryType> {
    prop::sample::select(vec![
        EntryType::Block,
        EntryType::Char,
        EntryType::Directory,
        EntryType::Fifo,
        EntryType::Hardlink,
        EntryType::Regular,
        EntryType::Symlink,
    ])
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

/// Generates 0, which is left out of the encoding, as often as any other number.
fn any_number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), any::<i64>()]
}

prop_compose! {
    fn any_entry()(
        entry_type in any_entry_type(),
        (name, linkname, uname, gname) in (any_bytes(), any_bytes(), any_bytes(), any_bytes()),
        mod_time in ".{0,40}",
        offset in any_number(),
        (size, mode, devmajor, devminor) in (any_number(), any_number(), any_number(), any_number()),
        (uid, gid) in (any::<u32>(), prop_oneof![Just(0), any::<u32>()]),
        xattrs in vec((any_bytes(), any_bytes()), 0..4),
    ) -> FileMetadata {
        let xattrs = xattrs.into_iter().map(|(key, value)| Xattr { key, value });
        FileMetadata {
            name,
            entry_type,
            uncompressed_offset: offset.unsigned_abs() >> 1,
            uncompressed_size: size,
            linkname,
            mode,
            uid,
            gid,
            uname,
            gname,
            mod_time,
            devmajor,
            devminor,
            xattrs: xattrs.collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn decoding_returns_what_was_encoded(
        toc in vec(any_entry(), 0..12),
        version in ".{0,8}",
        tool in ".{0,40}",
        size in 0..5000_usize,
    ) {
        let layer = vec![0; size / 512 * 512];
        let mut ztoc = build(&layer, Compression::Uncompressed, 700, TOOL).expect("zeros");
        ztoc.version = version;
        ztoc.build_tool_identifier = tool;
        ztoc.toc = toc;
        let encoded = ztoc.encode().expect("less than 1 GiB");
        let decoded = Ztoc::decode(&encoded);
        prop_assert_eq!(decoded.as_ref(), Ok(&ztoc));
    }
}

#[test]
fn scanner_and_hasher_can_be_sent_to_threads() {
    const fn assert_send<T: Send>() {}
    assert_send::<LayerScanner>();
    assert_send::<SpanHasher>();
    assert_send::<Ztoc>();
}
