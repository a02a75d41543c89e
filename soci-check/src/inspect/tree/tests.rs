//! What one layer does to the files of the layers below.

use soci_testkit::archive::{Member, tar};
use soci_ztoc::{Compression, build};

use super::Files;
use crate::inspect::path::Path;

/// The files of a layer with these members.
fn files(members: &[Member]) -> Files {
    let ztoc = build(&tar(members), Compression::Uncompressed, 4 << 20, "tool");
    Files::new(ztoc.expect("a sound layer"))
}

fn file(name: &str) -> Member {
    Member::file(name, "content")
}

fn path(name: &str) -> Path {
    Path::clean(name.as_bytes())
}

#[test]
fn a_directory_without_an_entry_has_files_below_it() {
    let files = files(&[file("usr/bin/tool"), file("usr/bin-old")]);
    for (name, has_some) in [
        ("usr", true),
        ("usr/bin", true),
        ("usr/bin/tool", false),
        ("usr/b", false),
        ("usr/bin-old", false),
        ("var", false),
    ] {
        assert_eq!(files.has_below(&path(name)), has_some, "{name}");
    }
}

/// The image specification, "Whiteouts".
#[test]
fn whiteouts_and_replaced_directories_hide_what_is_below() {
    let files = files(&[
        file("etc/.wh.gone"),
        file("var/.wh..wh..opq"),
        file("var/new"),
        file("lib"),
        file("opt/kept"),
    ]);
    for (name, is_hidden) in [
        ("etc/gone", true),
        ("etc/gone/below", true),
        ("etc/gone2", false),
        ("etc/other", false),
        ("gone", false),
        ("var/old", true),
        ("var/old/below", true),
        ("var", false),
        ("lib/below", true),
        ("lib/below/it", true),
        ("opt/other", false),
        ("opt", false),
    ] {
        assert_eq!(files.hides_below(&path(name)), is_hidden, "{name}");
    }
}

/// A hard link refers to the entry of its target that was extracted last.
#[test]
fn the_target_of_a_hard_link_is_the_last_entry_before_it() {
    let files = files(&[
        file("a"),
        file("./a"),
        Member::hardlink("link", "a"),
        file("a"),
        file("b"),
    ]);
    let target = |name: &str, end: usize| files.find_before(&path(name), end);
    assert_eq!(target("a", 2), Some(1));
    assert_eq!(target("a", 1), Some(0));
    assert_eq!(target("a", 3), Some(1));
    assert_eq!(target("a", 4), Some(3));
    assert_eq!(target("a", 0), None);
    assert_eq!(target("b", 2), None);
    assert_eq!(target("c", 5), None);
}
