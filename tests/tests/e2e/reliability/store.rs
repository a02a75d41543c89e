//! Stores that cannot be written, and files that must not be read, for which a test needs a
//! namespace or `strace`.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::Value;
use soci_testkit::{
    image::{self, Image},
    process::Sandbox,
    workspace,
};

use super::with_registry;
use crate::stages::{blob_file, files_below, layer, planned, stage};

/// Returns the file of the image's manifest in the store.
fn manifest_file(sandbox: &Sandbox, line: &[u8]) -> PathBuf {
    let document: Value = serde_json::from_slice(line).expect("a document");
    blob_file(&sandbox.store(), &document["root"]["digest"])
}

/// F3: a store on a read-only file system is named.
#[test]
fn names_a_read_only_store() {
    let (sandbox, _registry, reference) = with_registry();
    sandbox.write("file", "");
    for store in ["file", "file/below"] {
        let pull = stage(&sandbox, "soci-pull").args(["--store", store, &reference]);
        let ended = pull.run().ends_with(73);
        ended.says(store).says("--store").writes_only_its_failure();
    }
    // A store that exists and is mounted read-only.
    stage(&sandbox, "soci-pull")
        .arg("oci:image")
        .run()
        .succeeds();
    let before = files_below(&sandbox.store());
    let script = format!(
        "mount --bind store store && mount -o remount,bind,ro store && exec '{}' {reference}",
        workspace::bin("soci-pull").display()
    );
    let other = layer(9, 500);
    image::write_layout(
        &sandbox.path().join("other"),
        &[Image::new("linux/amd64").layer(other)],
    );
    let script = script.replace(&reference, "oci:other");
    let shell =
        sandbox
            .program("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", &script]);
    let ended = shell.run().ends_with(73);
    ended
        .says("Read-only file system")
        .says("store")
        .writes_only_its_failure();
    assert_eq!(files_below(&sandbox.store()), before);
}

/// F3: a store that the user may not write is named.
#[test]
fn names_a_store_without_permission() {
    let (sandbox, _registry, _) = with_registry();
    stage(&sandbox, "soci-pull")
        .arg("oci:image")
        .run()
        .succeeds();
    let other = layer(9, 500);
    let other = [Image::new("linux/amd64").layer(other)];
    image::write_layout(&sandbox.path().join("other"), &other);
    fs::create_dir(sandbox.path().join("closed")).expect("a new folder");
    let set = |path: &str, mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(sandbox.path().join(path), permissions).expect("a mode");
    };
    for folder in ["closed", "store"] {
        set(folder, 0o555);
    }
    let before = files_below(&sandbox.store());
    for store in ["closed/store", "store"] {
        // Root may write anywhere, except in a user namespace that maps no user.
        let tool = sandbox.program("unshare").arg("--user");
        let tool = tool
            .arg(workspace::bin("soci-pull"))
            .args(["--store", store, "oci:other"]);
        let ended = tool.run().ends_with(73);
        ended
            .says("Permission denied")
            .says(store)
            .writes_only_its_failure();
        let closed = fs::read_dir(sandbox.path().join("closed")).expect("the folder");
        assert_eq!(closed.count(), 0);
        assert_eq!(files_below(&sandbox.store()), before);
    }
    // Otherwise the sandbox could not be removed.
    for folder in ["closed", "store"] {
        set(folder, 0o755);
    }
}

/// F4: a device at the path of a blob is not read.
#[test]
fn does_not_read_a_device_as_a_blob() {
    let (sandbox, _registry, reference) = with_registry();
    let plan = planned(&sandbox, &reference);
    let file = manifest_file(&sandbox, &plan);
    // Reading `/dev/zero` never ends.
    let script = "mount --bind /dev/zero \"$0\" && exec \"$1\"";
    let shell = sandbox
        .program("unshare")
        .args(["--mount", "--map-root-user"]);
    let shell = shell
        .args(["sh", "-c", script])
        .arg(&file)
        .arg(workspace::bin("soci-index"));
    let ended = shell.stdin(plan.clone()).run().ends_with(65);
    ended.says("no regular file").writes_only_its_failure();
    stage(&sandbox, "soci-index").stdin(plan).run().succeeds();
}

/// F5: of an `index.json` of 100 MiB no more than 5 MiB are read.
#[test]
fn does_not_read_an_index_of_100_mib() {
    let (sandbox, _registry, _reference) = with_registry();
    let index = sandbox.path().join("image/index.json");
    let length = 100 << 20;
    let file = fs::File::options()
        .append(true)
        .open(&index)
        .expect("index.json");
    file.set_len(length).expect("a sparse file");
    let script = "exec strace -f -o trace -e trace=read,pread64,mmap -P \"$0\" \"$1\" oci:image";
    let shell = sandbox.program("sh").args(["-c", script]).arg(&index);
    let ended = shell.arg(workspace::bin("soci-pull")).run().ends_with(65);
    ended.says("longer than 4 MiB").writes_only_its_failure();
    let trace = fs::read_to_string(sandbox.path().join("trace")).expect("a trace");
    let result = |line: &str| line.rsplit(" = ").next()?.trim().parse::<u64>().ok();
    let read: u64 = trace.lines().filter_map(result).sum();
    assert!((1..5 << 20).contains(&read), "{read} bytes:\n{trace}");
    assert_eq!(fs::metadata(&index).expect("index.json").len(), length);
}
