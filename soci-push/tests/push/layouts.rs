//! Layouts as destinations: damaged, malformed, and shared by several processes.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use soci_testkit::{
    faulty::Faulty,
    process::{Sandbox, Tool},
    store::{assert_sound, blob_file},
};

use crate::{IndexedImage, array, pushed, text, two_layers};

/// An indexed image in a registry that holds it.
fn image_and_registry() -> (IndexedImage, Faulty) {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    (image, registry)
}

/// Returns the digest that a name of a layout stands for.
#[track_caller]
fn named(layout: &Path, name: &str) -> Value {
    let index = fs::read(layout.join("index.json")).expect("index.json");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let is_named =
        |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == name;
    let found = array(&index["manifests"]).iter().find(is_named);
    found.unwrap_or_else(|| panic!("no `{name}` in {index}"))["digest"].clone()
}

/// F4: a blob that is damaged in the destination is written again.
#[test]
fn replaces_damaged_blobs_of_the_destination() {
    let (image, registry) = image_and_registry();
    let push = || {
        let tool = image.push_to(&registry.host());
        pushed(tool.args(["--to", "oci:copy:v1"]).run())
    };
    let document = push();
    let copy = image.sandbox.path().join("copy");
    let layer = &document["manifests"][0]["layers"][0];
    for digest in [
        &layer["descriptor"]["digest"],
        &layer["ztoc"]["digest"],
        &document["manifests"][0]["index"]["v2"]["digest"],
        &document["converted"]["digest"],
    ] {
        let file = blob_file(&copy, digest);
        let original = fs::read(&file).expect("a blob");
        // The size stays the same, so only the content shows the damage.
        let wrong: Vec<u8> = original.iter().map(|byte| byte ^ 1).collect();
        fs::remove_file(&file).expect("a blob");
        fs::write(&file, wrong).expect("a writable layout");
        let again = push();
        assert_eq!(fs::read(&file).expect("a blob"), original, "{digest}");
        assert_eq!(again["push"]["uploaded"], 1, "{digest}");
        assert_sound(&copy);
    }
    assert_eq!(push()["push"]["uploaded"], 0);
}

/// F5: a malformed `index.json` of the destination is refused, and not overwritten.
#[test]
fn refuses_a_malformed_index() {
    let (image, registry) = image_and_registry();
    let original = fs::read(image.layout().join("index.json")).expect("index.json");
    let large = [original.as_slice(), &vec![b' '; 5 << 20]].concat();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("cut", &original[..original.len() / 2]),
        ("5 MiB", &large),
        ("no list", br#"{"schemaVersion":2,"manifests":7}"#),
    ] {
        let index = image.sandbox.write("damaged/index.json", bytes);
        let marker = fs::read(image.layout().join("oci-layout")).expect("a layout");
        image.sandbox.write("damaged/oci-layout", marker);
        let tool = image.push_to(&registry.host());
        let finished = tool.args(["--to", "oci:damaged:v1"]).run().ends_with(65);
        finished.says("index.json").writes_only_its_failure();
        assert!(fs::read(index).expect("index.json") == bytes, "{name}");
    }
}

/// F5: unknown fields in an `index.json` are kept.
#[test]
fn keeps_unknown_fields_of_an_index() {
    let (image, registry) = image_and_registry();
    let index = image.layout().join("index.json");
    let read = || -> Value {
        let bytes = fs::read(&index).expect("index.json");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let mut extended = read();
    extended["mine"] = json!({"b": 1, "a": [null]});
    extended["manifests"][0]["mine"] = json!(1.5);
    fs::write(&index, extended.to_string()).expect("a writable layout");
    let tool = image.push_to(&registry.host());
    tool.args(["--to", "oci:image:fast"]).run().succeeds();
    let after = read();
    assert_eq!(after["mine"], extended["mine"]);
    assert_eq!(after["manifests"][0], extended["manifests"][0]);
}

/// F6: eight processes that each add a name to one layout lose none.
#[test]
fn loses_no_name_of_eight_processes() {
    let (image, registry) = image_and_registry();
    let host = registry.host();
    let names: Vec<String> = (0..8).map(|number| format!("v{number}")).collect();
    let push = |name: &str| {
        let tool = image.push_to(&host);
        pushed(tool.args(["--to", &format!("oci:out:{name}")]).run())
    };
    let converted: Vec<Value> = thread::scope(|scope| {
        let processes: Vec<_> = names
            .iter()
            .map(|name| scope.spawn(|| push(name)["converted"]["digest"].clone()))
            .collect();
        processes
            .into_iter()
            .map(|process| process.join().expect("a push"))
            .collect()
    });
    let layout = image.sandbox.path().join("out");
    for (name, digest) in names.iter().zip(&converted) {
        assert_eq!(&named(&layout, name), digest);
    }
    assert_sound(&layout);
}

/// A process that holds the lock of a layout until it is killed.
struct LockHolder(Child);

impl LockHolder {
    fn of(sandbox: &Sandbox, layout: &Path) -> Self {
        let held = sandbox.path().join("held");
        // `exec` leaves no other process that would hold the lock as well.
        let script = "exec 9<\"$0\" && flock 9 && : >\"$1\" && exec sleep 600";
        let shell = sandbox.program("sh").args(["-c", script]);
        let shell = shell.arg(layout.join("oci-layout")).arg(&held);
        let child = shell.into_command().stdin(Stdio::null()).spawn();
        let holder = Self(child.expect("sh"));
        wait_until("the lock is held", || held.exists());
        holder
    }

    fn kill(mut self) {
        self.0.kill().expect("a process that runs");
        assert_eq!(self.0.wait().expect("its end").signal(), Some(9));
    }
}

impl Drop for LockHolder {
    fn drop(&mut self) {
        // Either fails if the process has ended, as it has in a test that passes.
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

/// Starts a tool on a document, with its output in the files `stdout` and `stderr`.
fn start(image: &IndexedImage, host: &str, tool: Tool) -> Child {
    let file = |name: &str| fs::File::create(image.sandbox.path().join(name)).expect("a new file");
    let input = image.sandbox.write("input", image.line_for(host));
    let mut command = tool.into_command();
    command
        .stdin(fs::File::open(input).expect("the input"))
        .stdout(file("stdout"))
        .stderr(file("stderr"));
    command.spawn().expect("the tool")
}

/// F7: the lock of another process is waited for with a message, and taken when that process ends.
#[test]
fn waits_for_the_lock_of_another_process() {
    let (image, registry) = image_and_registry();
    let host = registry.host();
    let push = |to: &str| image.push_to(&host).args(["--to", to]);
    push("oci:out:v1").run().succeeds();
    let layout = image.sandbox.path().join("out");
    let before = fs::read(layout.join("index.json")).expect("index.json");
    let holder = LockHolder::of(&image.sandbox, &layout);
    let mut child = start(&image, &host, push("oci:out:v2"));
    let read = |name: &str| {
        fs::read_to_string(image.sandbox.path().join(name)).expect("what the tool wrote")
    };
    wait_until("the tool says that it waits", || {
        read("stderr").contains("waiting for the lock of `out/oci-layout`")
    });
    let running = child.try_wait().expect("a child").is_none();
    assert!(running, "{}", read("stderr"));
    assert!(fs::read(layout.join("index.json")).expect("index.json") == before);
    holder.kill();
    let status = child.wait().expect("its end");
    assert!(status.success(), "{status}: {}", read("stderr"));
    let document: Value = serde_json::from_str(&read("stdout")).expect("a document");
    let digest = text(&document["converted"]["digest"]);
    assert_eq!(named(&layout, "v2"), digest);
    let messages = read("stderr").matches("waiting for the lock").count();
    assert_eq!(messages, 1);
    assert_sound(&layout);
}
