//! Stores that are damaged, shared, not writable, or of little room.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::{Finished, Sandbox, bin, pipeline},
};

use crate::stages::{
    Stages, assert_sound, blob_file, files_below, indexed, layer, layers, one, planned, stage,
};

/// A sandbox with a registry whose image has two layers.
fn with_registry() -> (Sandbox, Faulty, String) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    let layers = Image::new("linux/amd64")
        .layer(layer(1, 20_000))
        .layer(layer(2, 3000));
    image::write_layout(&folder, &[layers]);
    let registry = Faulty::start();
    registry.push(&folder, "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    (sandbox, registry, reference)
}

/// Puts something else in the place of a file.
type Damage = fn(&Path);

/// Every way in which a blob can be another one than its name says, and whether a pull can put it right.
const DAMAGES: [(&str, Damage, bool); 7] = [
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
            let elsewhere = path.with_extension("moved");
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
        "a device",
        |path| {
            fs::remove_file(path).expect("removed");
            let made = Command::new("mknod")
                .arg(path)
                .args(["c", "1", "5"])
                .status();
            assert!(made.expect("mknod").success());
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
    edit(&before[0], |bytes| bytes.push(0));
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
        if heals {
            pull().run().succeeds();
            assert_sound(&sandbox.store());
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
fn f6_eight_processes_fill_one_store() {
    let (sandbox, registry, reference) = with_registry();
    let pull = || stage(&sandbox, "soci-pull").arg("--layers").arg(&reference);
    let mut children: Vec<_> = (0..8)
        .map(|number| {
            let output = sandbox.path().join(format!("{number}.json"));
            let mut command = pull().into_command();
            command.stdout(fs::File::create(&output).expect("a new file"));
            (command.spawn().expect("a tool"), output)
        })
        .collect();
    let mut documents = Vec::new();
    for (child, output) in &mut children {
        assert!(child.wait().expect("its end").success());
        let mut document: Value =
            serde_json::from_slice(&fs::read(output).expect("a document")).expect("JSON");
        document["timing"] = Value::Null;
        documents.push(document);
    }
    documents.dedup();
    assert_eq!(documents.len(), 1, "all say the same");
    assert_sound(&sandbox.store());
    // None waits for another, so each may have to fetch all; none fetches anything twice.
    assert!(
        registry.count("GET", "*/blobs/*") <= 8 * 3,
        "{}",
        registry.log()
    );
    let line = pull().run().succeeds();
    assert_eq!(
        registry.count("GET", "*/blobs/*") % 3,
        registry.count("GET", "*/blobs/*") % 3
    );
    drop(line);
}

#[test]
fn f9_what_is_published_is_durable_first() {
    let (sandbox, _registry, reference) = with_registry();
    let plan = planned(&sandbox, &reference);
    let trace = sandbox.path().join("trace");
    let tool = sandbox
        .program("strace")
        .args([
            "-f",
            "-y",
            "-e",
            "trace=fsync,rename,renameat,renameat2,linkat",
            "-o",
        ])
        .arg(&trace)
        .arg(bin("soci-index"))
        .env("SOCI_MIN_LAYER_SIZE", "0");
    tool.stdin(plan).run().succeeds();
    let trace = fs::read_to_string(trace).expect("a trace");
    let calls: Vec<&str> = trace.lines().filter(|line| line.contains(" = 0")).collect();
    let mut published = 0;
    for (place, call) in calls.iter().enumerate() {
        if !call.contains("rename") || !call.contains(".unfinished-") {
            continue;
        }
        published += 1;
        let thread = call.split_whitespace().next().expect("a thread");
        let own: Vec<&&str> = calls
            .iter()
            .filter(|other| other.starts_with(thread))
            .collect();
        let at = own.iter().position(|other| *other == call).expect("itself");
        let name = call.split('"').nth(1).expect("a path");
        let unfinished = Path::new(name)
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(
            at > 0 && own[at - 1].contains("fsync(") && own[at - 1].contains(&unfinished),
            "call {place} publishes what is not durable:\n{trace}"
        );
        let folder = Path::new(call.split('"').nth(3).expect("a path"))
            .parent()
            .expect("a folder");
        let folder = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let next = own
            .get(at + 1)
            .is_some_and(|next| next.contains("fsync(") && next.contains(&format!("/{folder}>")));
        assert!(
            next,
            "the entry that call {place} makes is not durable:\n{trace}"
        );
    }
    assert!(published >= 4, "{trace}");
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

#[test]
fn f11_few_files_and_little_memory_are_enough() {
    let (sandbox, _registry, reference) = with_registry();
    let limited = |name: &str| {
        let tool = sandbox
            .program("prlimit")
            .args(["--nofile=64", "--as=600000000"]);
        tool.arg(bin(name)).env("SOCI_MIN_LAYER_SIZE", "0")
    };
    let ended: Vec<Finished> = pipeline([
        limited("soci-pull").arg(&reference),
        limited("soci-plan"),
        limited("soci-index").args(["--jobs", "16"]),
        limited("soci-push").args(["--max-concurrent-uploads", "32"]),
    ]);
    for tool in ended {
        tool.succeeds();
    }
    let again = Sandbox::new();
    Stages::of(&again, &[&reference]).run().succeeds_for_one();
}
