//! Documents and pipes that are hostile or broken: what `bad_input` does not show.

use std::{
    fs::File,
    io::Write as _,
    process::{Child, Stdio},
    thread,
};

use serde_json::Value;
use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::Sandbox,
};

use crate::stages::{files_below, indexed, layer, planned, stage};

const READERS: [&str; 4] = ["soci-pull", "soci-plan", "soci-index", "soci-push"];

/// The most memory, in KiB, that a reader may have held.
const MEMORY: u64 = 96 << 10;

/// How much a hostile stage before has to say.
const FLOOD: usize = 1 << 30;

fn with_registry() -> (Sandbox, Faulty, String) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer(1, 3000))]);
    let registry = Faulty::start();
    registry.push(&folder, "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    (sandbox, registry, reference)
}

#[test]
fn h2_a_document_that_is_cut_changes_nothing_anywhere() {
    let (sandbox, registry, reference) = with_registry();
    let plan = planned(&sandbox, &reference);
    let line = indexed(&sandbox, &reference);
    let (requests, files) = (registry.requests().len(), files_below(&sandbox.store()));
    for (name, whole) in [
        ("soci-plan", &plan),
        ("soci-index", &plan),
        ("soci-push", &line),
    ] {
        let step = whole.len() / 12;
        for end in (1..whole.len() - 1).step_by(step) {
            let ended = stage(&sandbox, name)
                .stdin(&whole[..end])
                .run()
                .ends_with(65);
            assert!(ended.says("not valid JSON at byte").stdout.is_empty());
        }
    }
    assert_eq!(registry.requests().len(), requests);
    assert_eq!(files_below(&sandbox.store()), files);
}

/// Starts a reader below something that tells how much memory it took.
fn watched(sandbox: &Sandbox, name: &str) -> Child {
    let watch = "import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";
    let tool = sandbox.program("python3").args(["-c", watch]);
    let mut command = tool.arg(soci_testkit::process::bin(name)).into_command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("python3")
}

#[test]
fn h6_a_gigabyte_of_json_is_refused_after_sixteen_mebibytes() {
    let sandbox = Sandbox::new();
    let layer = br#"{"descriptor":{"mediaType":"x","digest":"sha256:0","size":1}},"#;
    let forms: [(&str, &[u8], Vec<u8>); 3] = [
        (
            "one text",
            br#"{"version":1,"image":""#,
            vec![b'a'; 1 << 16],
        ),
        (
            "many layers",
            br#"{"version":1,"manifests":[{"layers":["#,
            layer.repeat(1000),
        ),
        ("deep", br#"{"version":1,"x":"#, vec![b'['; 1 << 16]),
    ];
    for name in READERS {
        for (form, start, piece) in &forms {
            let mut child = watched(&sandbox, name);
            let mut stdin = child.stdin.take().expect("a pipe");
            let (start, piece) = (start.to_vec(), piece.clone());
            let flood = thread::spawn(move || {
                let mut taken = 0;
                let mut next = start;
                while taken < FLOOD && stdin.write_all(&next).is_ok() {
                    taken += next.len();
                    next.clone_from(&piece);
                }
                taken
            });
            let output = child.wait_with_output().expect("its end");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(65), "{name}, {form}: {said}");
            assert!(output.stdout.is_empty());
            let memory: u64 = said
                .lines()
                .last()
                .and_then(|line| line.parse().ok())
                .expect("KiB");
            assert!(memory < MEMORY, "{name}, {form}: {memory} KiB");
            let taken = flood.join().expect("no panic");
            assert!(taken < 20 << 20, "{name}, {form}: {taken} bytes");
        }
    }
}

#[test]
fn h7_what_a_document_says_of_other_places_is_not_believed() {
    let (sandbox, registry, reference) = with_registry();
    let plan: Value = serde_json::from_slice(&planned(&sandbox, &reference)).expect("JSON");
    let secret = sandbox.write("secret", "secret");
    for digest in [
        format!("sha256:../../../{}", secret.display()),
        "sha256:..".to_owned(),
        format!("SHA256:{}", "a".repeat(64)),
        format!("sha256:{}", "A".repeat(64)),
        format!("sha256:{}", "a".repeat(63)),
        format!("md5:{}", "a".repeat(32)),
    ] {
        for place in [
            "/root/digest",
            "/manifests/0/descriptor/digest",
            "/manifests/0/layers/0/descriptor/digest",
        ] {
            let mut edited = plan.clone();
            *edited.pointer_mut(place).expect("a digest") = digest.clone().into();
            for name in ["soci-plan", "soci-index", "soci-push"] {
                let requests = registry.requests().len();
                let ended = stage(&sandbox, name)
                    .stdin(edited.to_string())
                    .run()
                    .ends_with(65);
                assert!(ended.stdout.is_empty(), "{name} {place} {digest}");
                assert_eq!(registry.requests().len(), requests);
            }
        }
    }
}

#[test]
fn h8_a_full_stdout_is_an_error() {
    let (sandbox, _registry, reference) = with_registry();
    let plan = planned(&sandbox, &reference);
    let line = indexed(&sandbox, &reference);
    for (name, input) in [
        ("soci-pull", reference.clone().into_bytes()),
        ("soci-plan", plan.clone()),
        ("soci-index", plan),
        ("soci-push", line),
    ] {
        let input = sandbox.write("input", input);
        let mut command = stage(&sandbox, name).into_command();
        command
            .stdin(File::open(input).expect("the input"))
            .stdout(File::create("/dev/full").expect("/dev/full"))
            .stderr(Stdio::piped());
        let output = command
            .spawn()
            .expect("a tool")
            .wait_with_output()
            .expect("its end");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{name}: {said}");
        assert!(said.contains("cannot write to stdout"), "{name}: {said}");
    }
}
