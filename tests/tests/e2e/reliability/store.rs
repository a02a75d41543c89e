//! Stores that are damaged, shared, not writable, or of little room.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use soci_testkit::{
    image::{self, Image},
    process::{Sandbox, bin},
};

use super::with_registry;
use crate::stages::{
    assert_sound, blob_file, files_below, indexed, layer, layers, one, planned, stage,
};

/// Puts something else in the place of a file.
type Damage = fn(&Path);

/// Every way in which a blob can be another one than its name says, and whether a pull can put it right.
const DAMAGES: [(&str, Damage, bool); 6] = [
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
            let store = path.ancestors().nth(4).expect("the sandbox");
            let elsewhere = store.join("moved");
            fs::rename(path, &elsewhere).expect("moved");
            symlink(elsewhere, path).expect("a link");
        },
        true,
    ),
    (
        "a FIFO",
        |path| {
            fs::remove_file(path).expect("removed");
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.expect("mkfifo").success());
        },
        true,
    ),
    (
        "a folder",
        |path| {
            fs::remove_file(path).expect("removed");
            fs::create_dir(path).expect("a folder");
        },
        false,
    ),
];

fn edit(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a blob");
    change(&mut bytes);
    fs::remove_file(path).expect("removed");
    fs::write(path, bytes).expect("written");
}

/// Returns the file of the store in which the image's manifest lies.
fn manifest_file(sandbox: &Sandbox, line: &[u8]) -> PathBuf {
    let document: Value = serde_json::from_slice(line).expect("a document");
    blob_file(&sandbox.store(), &document["root"]["digest"])
}

#[test]
fn f3_a_store_that_cannot_be_written_is_named() {
    let (sandbox, _registry, reference) = with_registry();
    sandbox.write("file", "");
    for store in ["file", "file/below"] {
        let pull = stage(&sandbox, "soci-pull").args(["--store", store, &reference]);
        let ended = pull.run().ends_with(73);
        assert!(ended.says(store).says("--store").stdout.is_empty());
    }
    // A store that was made, and then could only be read.
    stage(&sandbox, "soci-pull")
        .arg("oci:image")
        .run()
        .succeeds();
    let before = files_below(&sandbox.store());
    let script = format!(
        "mount --bind store store && mount -o remount,bind,ro store && exec '{}' {reference}",
        bin("soci-pull").display()
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
    assert!(
        ended
            .says("Read-only file system")
            .says("store")
            .stdout
            .is_empty()
    );
    assert_eq!(files_below(&sandbox.store()), before);
}

#[test]
fn f4_a_manifest_that_was_damaged_in_the_store_is_found_and_healed() {
    for (name, damage, heals) in DAMAGES {
        let (sandbox, _registry, reference) = with_registry();
        let plan = planned(&sandbox, &reference);
        let file = manifest_file(&sandbox, &plan);
        damage(&file);
        let ended = stage(&sandbox, "soci-index").stdin(plan.clone()).run();
        let ended = ended.ends_with(65);
        assert!(ended.says("expected").stdout.is_empty(), "{name}");
        let pulled = stage(&sandbox, "soci-pull").arg(&reference).run();
        if heals {
            pulled.succeeds();
            stage(&sandbox, "soci-index").stdin(plan).run().succeeds();
        } else {
            // What a user keeps there is not removed.
            let ended = pulled.says(&file.display().to_string());
            assert!(matches!(ended.code(), 73 | 74), "{}", ended.stderr);
            assert!(file.is_dir());
        }
    }
}

#[test]
fn f3_a_folder_of_somebody_else_is_named() {
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
        // Root may write anywhere, but not where it has no more rights than its name gives it.
        let tool = sandbox.program("unshare").arg("--user");
        let tool = tool
            .arg(bin("soci-pull"))
            .args(["--store", store, "oci:other"]);
        let ended = tool.run().ends_with(73);
        assert!(
            ended
                .says("Permission denied")
                .says(store)
                .stdout
                .is_empty()
        );
        let closed = fs::read_dir(sandbox.path().join("closed")).expect("the folder");
        assert_eq!(closed.count(), 0);
        assert_eq!(files_below(&sandbox.store()), before);
    }
    // So that the sandbox can be removed.
    for folder in ["closed", "store"] {
        set(folder, 0o755);
    }
}

#[test]
fn f4_a_device_in_the_place_of_a_blob_is_not_read() {
    let (sandbox, _registry, reference) = with_registry();
    let plan = planned(&sandbox, &reference);
    let file = manifest_file(&sandbox, &plan);
    // Whoever reads it never comes to its end.
    let script = "mount --bind /dev/zero \"$0\" && exec \"$1\"";
    let shell = sandbox
        .program("unshare")
        .args(["--mount", "--map-root-user"]);
    let shell = shell
        .args(["sh", "-c", script])
        .arg(&file)
        .arg(bin("soci-index"));
    let ended = shell.stdin(plan.clone()).run().ends_with(65);
    assert!(ended.says("no plain file").stdout.is_empty());
    stage(&sandbox, "soci-index").stdin(plan).run().succeeds();
}

#[test]
fn f4_a_layer_that_was_damaged_in_the_store_is_found_and_healed() {
    for (name, damage, heals) in DAMAGES {
        let (sandbox, registry, reference) = with_registry();
        let plan = planned(&sandbox, &reference);
        let pull = || {
            stage(&sandbox, "soci-pull")
                .arg("--layers")
                .stdin(plan.clone())
        };
        let pulled = pull().run().succeeds();
        let document = one(pulled.documents());
        let digest = &layers(&document)[0]["descriptor"]["digest"];
        damage(&blob_file(&sandbox.store(), digest));
        let fetched = || {
            registry.count(
                "GET",
                &format!("*/blobs/{}", digest.as_str().expect("text")),
            )
        };
        let before = fetched();
        // One of the right length passes for the layer until it is read; any other is not there, and is streamed instead.
        let ended = stage(&sandbox, "soci-index").stdin(plan.clone()).run();
        if name == "flipped" {
            assert!(ended.ends_with(65).says("expected").stdout.is_empty());
            assert_eq!(fetched(), before);
        } else {
            ended.succeeds();
        }
        let pulled = pull().run();
        if heals {
            pulled.succeeds();
            assert_sound(&sandbox.store());
            assert!(fetched() > before, "{name}");
            // What is sound is verified where it lies, and not fetched.
            let before = fetched();
            pull().run().succeeds();
            assert_eq!(fetched(), before, "{name}");
        } else {
            let file = blob_file(&sandbox.store(), digest);
            let ended = pulled.says(&file.display().to_string());
            assert!(matches!(ended.code(), 73 | 74), "{}", ended.stderr);
            assert!(file.is_dir() && ended.stdout.is_empty());
        }
    }
}

#[test]
fn f5_an_index_that_is_none_is_refused_and_stays() {
    let (sandbox, _registry, reference) = with_registry();
    let line = indexed(&sandbox, &reference);
    let whole = fs::read(sandbox.path().join("image/index.json")).expect("index.json");
    let large = [whole.as_slice(), &vec![b' '; 5 << 20]].concat();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("cut", &whole[..whole.len() / 2]),
        ("5 MiB", &large),
        ("no index", br#"{"schemaVersion":2,"manifests":7}"#),
    ] {
        let folder = sandbox.path().join("damaged");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder");
        fs::copy(
            sandbox.path().join("image/oci-layout"),
            folder.join("oci-layout"),
        )
        .expect("copied");
        fs::write(folder.join("index.json"), bytes).expect("written");
        let ended = stage(&sandbox, "soci-pull")
            .arg("oci:damaged")
            .run()
            .ends_with(65);
        assert!(ended.says("index.json").stdout.is_empty(), "{name}");
        let push = stage(&sandbox, "soci-push").args(["--to", "oci:damaged:v1"]);
        let ended = push.stdin(line.clone()).run().ends_with(65);
        assert!(ended.says("index.json").stdout.is_empty(), "{name}");
        let after = fs::read(folder.join("index.json")).expect("index.json");
        assert!(after == bytes, "{name} was written over");
    }
    // An entry that leads nowhere is named.
    let dangling = String::from_utf8(whole).expect("text");
    let digest = dangling.split("sha256:").nth(1).expect("a digest")[..64].to_owned();
    let dangling = dangling.replace(&digest, &"0".repeat(64));
    fs::write(sandbox.path().join("damaged/index.json"), dangling).expect("written");
    let ended = stage(&sandbox, "soci-pull")
        .arg("oci:damaged")
        .run()
        .ends_with(80);
    ended.says(&"0".repeat(64));
}

#[test]
fn f5_an_index_of_100_mib_is_not_read_to_its_end() {
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
    let ended = shell.arg(bin("soci-pull")).run().ends_with(65);
    assert!(ended.says("longer than 4 MiB").stdout.is_empty());
    let trace = fs::read_to_string(sandbox.path().join("trace")).expect("a trace");
    let result = |line: &str| line.rsplit(" = ").next()?.trim().parse::<u64>().ok();
    let read: u64 = trace.lines().filter_map(result).sum();
    assert!((1..5 << 20).contains(&read), "{read} bytes:\n{trace}");
    assert_eq!(fs::metadata(&index).expect("index.json").len(), length);
}

#[test]
fn f5_what_an_index_says_besides_stays() {
    let (sandbox, _registry, reference) = with_registry();
    let index = sandbox.path().join("image/index.json");
    let read = || -> Value {
        serde_json::from_slice(&fs::read(&index).expect("index.json")).expect("JSON")
    };
    let mut extended = read();
    extended["mine"] = json!({"b": 1, "a": [null]});
    extended["manifests"][0]["mine"] = json!(1.5);
    fs::write(&index, extended.to_string()).expect("written");
    stage(&sandbox, "soci-pull")
        .arg("oci:image:latest")
        .run()
        .succeeds();
    let line = indexed(&sandbox, &reference);
    let push = stage(&sandbox, "soci-push").args(["--to", "oci:image:fast"]);
    push.stdin(line).run().succeeds();
    let after = read();
    assert_eq!(after["mine"], extended["mine"]);
    assert_eq!(after["manifests"][0], extended["manifests"][0]);
}

#[test]
fn f10_a_blob_that_is_gone_between_two_stages_is_to_be_pulled_again() {
    let (sandbox, _registry, reference) = with_registry();
    let plan = planned(&sandbox, &reference);
    fs::remove_file(manifest_file(&sandbox, &plan)).expect("removed");
    let ended = stage(&sandbox, "soci-index").stdin(plan.clone()).run();
    let ended = ended.ends_with(80).says("pull the image again");
    assert!(ended.stdout.is_empty());
    let again = stage(&sandbox, "soci-pull").stdin(plan).run().succeeds();
    stage(&sandbox, "soci-index")
        .stdin(again.stdout)
        .run()
        .succeeds();
}
