//! Stores and layouts that several processes use at once.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use soci_testkit::process::{Sandbox, Tool};

use super::with_registry;
use crate::read_back::{Layout, array};
use crate::stages::{assert_sound, indexed, stage};

const PROCESSES: usize = 8;

/// Starts a tool that reads a file, and writes what it says to `NAME.stdout` and `NAME.stderr`.
fn start(sandbox: &Sandbox, name: &str, tool: Tool, stdin: &[u8]) -> Child {
    let input = sandbox.write(&format!("{name}.stdin"), stdin);
    let output = |stream| sandbox.path().join(format!("{name}.{stream}"));
    let mut command = tool.into_command();
    command
        .stdin(File::open(input).expect("the input"))
        .stdout(File::create(output("stdout")).expect("a new file"))
        .stderr(File::create(output("stderr")).expect("a new file"));
    command.spawn().expect("a tool")
}

/// Waits for a tool of [`start`], which must succeed, and returns its document.
#[track_caller]
fn ended(sandbox: &Sandbox, name: &str, mut child: Child) -> Value {
    let read = |stream| {
        fs::read_to_string(sandbox.path().join(format!("{name}.{stream}"))).expect("what it wrote")
    };
    let status = child.wait().expect("its end");
    assert!(status.success(), "{status}: {}", read("stderr"));
    let mut document: Value = serde_json::from_str(&read("stdout")).expect("a document");
    document["timing"] = Value::Null;
    document
}

#[test]
fn f6_eight_processes_fill_one_store() {
    let (sandbox, registry, reference) = with_registry();
    let pull = || stage(&sandbox, "soci-pull").arg("--layers").arg(&reference);
    let names: Vec<String> = (0..PROCESSES).map(|number| number.to_string()).collect();
    let children: Vec<Child> = names
        .iter()
        .map(|name| start(&sandbox, name, pull(), b""))
        .collect();
    let documents = names.iter().zip(children);
    let mut documents: Vec<Value> = documents
        .map(|(name, child)| ended(&sandbox, name, child))
        .collect();
    documents.dedup();
    assert_eq!(documents.len(), 1, "all say the same");
    assert_sound(&sandbox.store());
    // None waits for another, so each may have to fetch all; none fetches anything twice.
    for digest in registry.digests() {
        let fetched = registry.count("GET", &format!("*/blobs/{digest}"));
        assert!(fetched <= PROCESSES, "{digest}: {fetched} times");
    }
    // All that they stored is there: the layers are not fetched by whoever comes later.
    let layers = documents[0]["manifests"][0]["layers"].clone();
    let layers: Vec<String> = array(&layers)
        .iter()
        .map(|layer| {
            format!(
                "*/blobs/{}",
                layer["descriptor"]["digest"].as_str().expect("text")
            )
        })
        .collect();
    let fetched = || -> usize { layers.iter().map(|glob| registry.count("GET", glob)).sum() };
    let before = fetched();
    assert!(before >= layers.len());
    pull().run().succeeds();
    assert_eq!(fetched(), before, "{}", registry.log());
}

#[test]
fn f6_no_name_of_eight_processes_is_lost() {
    let (sandbox, _registry, reference) = with_registry();
    let line = indexed(&sandbox, &reference);
    let names: Vec<String> = (0..PROCESSES).map(|number| format!("v{number}")).collect();
    let children: Vec<Child> = names
        .iter()
        .map(|name| {
            let tool = stage(&sandbox, "soci-push").args(["--to", &format!("oci:out:{name}")]);
            start(&sandbox, name, tool, &line)
        })
        .collect();
    let folder = sandbox.path().join("out");
    let mut converted = Vec::new();
    for (name, child) in names.iter().zip(children) {
        converted.push(ended(&sandbox, name, child)["converted"]["digest"].clone());
    }
    for (name, digest) in names.iter().zip(&converted) {
        assert_eq!(&Layout(&folder).named(name)["digest"], digest);
    }
    assert_sound(&folder);
}

/// A process that holds the lock of a layout until it is killed.
struct Holder(Child);

impl Holder {
    fn of(sandbox: &Sandbox, layout: &Path) -> Self {
        let held = sandbox.path().join("held");
        // Without a child of its own, which would hold the lock as well.
        let script = "exec 9<\"$0\" && flock 9 && : >\"$1\" && exec sleep 600";
        let shell = sandbox.program("sh").args(["-c", script]);
        let shell = shell.arg(layout.join("oci-layout")).arg(&held);
        let child = shell.into_command().stdin(Stdio::null()).spawn();
        let holder = Self(child.expect("sh"));
        wait_until("the lock is held", || held.exists());
        holder
    }

    fn kill(mut self) {
        self.0.kill().expect("it runs");
        assert_eq!(self.0.wait().expect("its end").signal(), Some(9));
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Only a test that fails leaves it running.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn f7_the_lock_of_another_process_is_waited_for_aloud_and_ends_with_it() {
    let (sandbox, _registry, reference) = with_registry();
    let line = indexed(&sandbox, &reference);
    let push = |name: &str| stage(&sandbox, "soci-push").args(["--to", &format!("oci:out:{name}")]);
    push("v1").stdin(line.clone()).run().succeeds();
    let folder = sandbox.path().join("out");
    let before = fs::read(folder.join("index.json")).expect("index.json");
    let holder = Holder::of(&sandbox, &folder);
    let mut child = start(&sandbox, "v2", push("v2"), &line);
    let said = || {
        let stderr = fs::read_to_string(sandbox.path().join("v2.stderr"));
        stderr.expect("what it wrote")
    };
    wait_until("it says that it waits", || {
        said().contains("waiting for the lock of `out/oci-layout`")
    });
    assert!(child.try_wait().expect("a child").is_none(), "{}", said());
    assert!(fs::read(folder.join("index.json")).expect("index.json") == before);
    holder.kill();
    let pushed = ended(&sandbox, "v2", child);
    assert_eq!(
        Layout(&folder).named("v2")["digest"],
        pushed["converted"]["digest"]
    );
    assert_eq!(said().matches("waiting for the lock").count(), 1);
    assert_sound(&folder);
}
