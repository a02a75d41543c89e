use std::fs;
use std::os::unix::fs::symlink;
use std::time::SystemTime;

use super::*;
use crate::stored_file::StoreFile;
use crate::temporary;
use soci_document::{Classify as _, Exit};

fn create() -> (tempfile::TempDir, Layout) {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("store");
    let layout =
        Layout::open_or_create_store(&root, crate::StoreTrust::OwnOrRoot).expect("a store");
    (directory, layout)
}

fn list(store: &PrunableStore) -> Vec<StoreFile> {
    let files = store.files().expect("files").into_iter();
    let mut names: Vec<StoreFile> = files.map(|file| file.name).collect();
    names.sort();
    names
}

#[test]
fn lists_and_removes_the_files_of_the_tools() {
    let (_directory, layout) = create();
    let blob = layout.write_blob(b"content").expect("written");
    let key = Digest::of(b"key");
    let entry = layout.write_private_file(ZTOC_CACHE, &key.hex(), b"{}");
    entry.expect("written");
    let unfinished = format!("{}a1B2c3", temporary::PREFIX);
    fs::write(layout.root().join(&unfinished), b"half").expect("written");
    let mut store = PrunableStore::open(layout.root()).expect("a store");
    let names = [
        StoreFile::Blob(blob),
        StoreFile::CacheEntry(key),
        StoreFile::Unfinished(unfinished),
    ];
    assert_eq!(list(&store), names);
    for file in store.files().expect("files") {
        let removal = store.remove(&file, RemoveWhen::Unused).expect("removed");
        assert_eq!(removal, Removal::Removed);
        assert!(!layout.root().join(file.name.path()).exists());
        let removal = store.remove(&file, RemoveWhen::Unused).expect("removed");
        assert_eq!(removal, Removal::Absent);
    }
    store.sync().expect("synced");
    assert_eq!(list(&store), []);
}

#[test]
fn ignores_what_the_tools_have_not_made() {
    let (directory, layout) = create();
    let blobs = layout.root().join("blobs/sha256");
    let hex = |name: &str| Digest::of(name.as_bytes()).hex();
    let outside = directory.path().join("outside");
    fs::write(&outside, b"of the user").expect("written");
    symlink(&outside, blobs.join(hex("link"))).expect("a link");
    fs::create_dir(blobs.join(hex("directory"))).expect("a directory");
    for name in ["notes.txt", "ABC", "-rf", "a\nb", ".unfinished-a1B2c3"] {
        fs::write(blobs.join(name), b"of the user").expect("written");
    }
    fs::write(
        layout.root().join(".unfinished-../x".replace('/', "_")),
        b"",
    )
    .expect("written");
    fs::write(layout.root().join(hex("root")), b"of the user").expect("written");
    let store = PrunableStore::open(layout.root()).expect("a store");
    assert_eq!(list(&store), []);
}

#[test]
fn does_not_enter_a_directory_through_a_link() {
    let (directory, layout) = create();
    let blobs = layout.root().join("blobs");
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&blobs, &elsewhere).expect("moved");
    fs::write(elsewhere.join("sha256").join(Digest::of(b"").hex()), b"").expect("written");
    symlink(&elsewhere, &blobs).expect("a link");
    let store = PrunableStore::open(layout.root()).expect("a store");
    assert_eq!(list(&store), []);
}

#[test]
fn refuses_a_layout_that_is_not_marked_as_a_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    drop(Layout::open_or_create(root).expect("a layout"));
    let refused = || PrunableStore::open(root).expect_err("no store");
    assert!(matches!(refused(), LayoutError::NotAStore { .. }));
    assert_eq!(refused().exit(), Exit::BadData);
    fs::write(root.join("other"), b"").expect("written");
    symlink("other", root.join(MARKER)).expect("a link");
    assert!(matches!(refused(), LayoutError::NotAStore { .. }));
}

#[test]
fn keeps_a_file_that_was_used_since_it_was_listed() {
    let (_directory, layout) = create();
    let blob = layout.write_blob(b"content").expect("written");
    let path = layout.blob_path(blob);
    let set_time = |time| {
        let file = File::open(&path).expect("a blob");
        file.set_modified(time).expect("a changed time");
    };
    set_time(SystemTime::UNIX_EPOCH);
    let mut store = PrunableStore::open(layout.root()).expect("a store");
    let listed = store.files().expect("files").remove(0);
    assert_eq!(listed.last_use, SystemTime::UNIX_EPOCH);
    assert!(layout.has_blob(&soci_oci::Descriptor::new("", blob, 7)));
    let removal = store.remove(&listed, RemoveWhen::Unused).expect("checked");
    assert_eq!(removal, Removal::InUse);
    assert!(path.exists());
}

#[test]
fn knows_whether_a_tool_uses_the_store() {
    let (_directory, layout) = create();
    let blob = layout.write_blob(b"content").expect("written");
    let mut store = PrunableStore::open(layout.root()).expect("a store");
    let listed = store.files().expect("files").remove(0);
    assert!(!store.is_idle());
    let removal = store.remove(&listed, RemoveWhen::Idle).expect("checked");
    assert_eq!(removal, Removal::InUse);
    let path = layout.blob_path(blob);
    drop(layout);
    assert!(store.is_idle());
    let removal = store.remove(&listed, RemoveWhen::Idle).expect("removed");
    assert_eq!(removal, Removal::Removed);
    assert!(!path.exists());
}

#[test]
fn keeps_an_unfinished_file_that_a_process_writes() {
    let (_directory, layout) = create();
    let writer = layout.blob_writer(&soci_oci::Descriptor::of("", b"content"));
    let mut store = PrunableStore::open(layout.root()).expect("a store");
    let listed = store.files().expect("files").remove(0);
    let removal = store.remove(&listed, RemoveWhen::Unused).expect("checked");
    assert_eq!(removal, Removal::InUse);
    drop(writer);
    assert_eq!(list(&store), []);
}
