//! Ways to damage a blob of a store.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

/// Replaces a file of a layout by something else.
pub type Damage = fn(&Path);

/// Every way to damage a blob, with its name and whether a pull repairs it.
pub const DAMAGES: [(&str, Damage, bool); 6] = [
    ("flipped", |path| edit(path, |bytes| bytes[10] ^= 1), true),
    (
        "truncated",
        |path| edit(path, |bytes| bytes.truncate(9)),
        true,
    ),
    ("emptied", |path| edit(path, Vec::clear), true),
    (
        "a symbolic link",
        |path| {
            let sandbox = path.ancestors().nth(4).expect("the sandbox");
            let moved = sandbox.join("moved");
            fs::rename(path, &moved).expect("a writable store");
            symlink(moved, path).expect("a writable store");
        },
        true,
    ),
    (
        "a FIFO",
        |path| {
            fs::remove_file(path).expect("a blob");
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.expect("mkfifo").success());
        },
        true,
    ),
    (
        "a folder",
        |path| {
            fs::remove_file(path).expect("a blob");
            fs::create_dir(path).expect("a writable store");
        },
        false,
    ),
];

fn edit(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a blob");
    change(&mut bytes);
    fs::remove_file(path).expect("a blob");
    fs::write(path, bytes).expect("a writable store");
}
