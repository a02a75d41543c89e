//! Documents and pipes that are hostile or broken: what `bad_input` does not show.

use std::{
    fs::File,
    io::Write as _,
    process::{Child, Stdio},
    thread,
};

use serde_json::{Value, json};
use soci_testkit::{faulty::Faulty, image, process::Sandbox};

use super::with_registry;
use crate::stages::{files_below, indexed, planned, stage};

const READERS: [&str; 4] = ["soci-pull", "soci-plan", "soci-index", "soci-push"];

/// The most memory, in KiB, that a reader may have held.
const MEMORY: u64 = 96 << 10;

/// How much a hostile stage before has to say.
const FLOOD: usize = 1 << 30;

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

#[test]
fn h3_a_field_that_is_missing_or_of_another_type_is_named() {
    let (sandbox, registry, reference) = with_registry();
    let whole: Value = serde_json::from_slice(&indexed(&sandbox, &reference)).expect("JSON");
    let (requests, files) = (registry.requests().len(), files_below(&sandbox.store()));
    let size = "/manifests/0/layers/0/descriptor/size";
    for (place, value, said) in [
        ("/image", json!(7), "expected a string"),
        ("/manifests", json!({}), "expected a sequence"),
        ("/root/size", json!("1"), "expected u64"),
        (size, json!(-1), "expected u64"),
        (size, json!(1.5), "expected u64"),
        (size, json!(1_u64 << 63), "over the limit"),
        ("/root", Value::Null, "null"),
    ] {
        let mut edited = whole.clone();
        *edited.pointer_mut(place).expect("a field") = value;
        for name in READERS {
            let ended = stage(&sandbox, name).stdin(edited.to_string()).run();
            let ended = ended.ends_with(65).says("missing or malformed");
            assert!(ended.says(said).stdout.is_empty(), "{name} {place}");
        }
    }
    for field in ["version", "image", "root", "manifests"] {
        let mut edited = whole.clone();
        edited.as_object_mut().expect("a map").remove(field);
        for name in READERS {
            let ended = stage(&sandbox, name).stdin(edited.to_string()).run();
            let ended = ended
                .ends_with(65)
                .says(&format!("missing field `{field}`"));
            assert!(ended.stdout.is_empty(), "{name} {field}");
        }
    }
    assert_eq!(registry.requests().len(), requests);
    assert_eq!(files_below(&sandbox.store()), files);
}

#[test]
fn h5_what_stands_behind_a_document_on_its_line_is_refused() {
    let (sandbox, registry, reference) = with_registry();
    let line = indexed(&sandbox, &reference);
    let requests = registry.requests().len();
    let document = line.trim_ascii_end();
    for behind in [&b" garbage"[..], b"}", b",", document, b"\0"] {
        for name in READERS {
            let ended = stage(&sandbox, name)
                .stdin([document, behind].concat())
                .run();
            let ended = ended.ends_with(65).says("not valid JSON at byte");
            assert!(ended.stdout.is_empty(), "{name}");
        }
    }
    assert_eq!(registry.requests().len(), requests);
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
fn h7_the_store_is_believed_and_not_the_document() {
    let (sandbox, registry, reference) = with_registry();
    let line = indexed(&sandbox, &reference);
    let whole: Value = serde_json::from_slice(&line).expect("JSON");
    let root = whole["root"]["digest"].clone();
    let absent = json!(image::digest(b"nowhere"));
    // Whatever else a document names of the store is not what an index is.
    for place in ["/converted/digest", "/manifests/0/index/v2/digest"] {
        for (digest, code) in [(&root, 65), (&absent, 80)] {
            let mut edited = whole.clone();
            *edited.pointer_mut(place).expect("a digest") = digest.clone();
            let ended = stage(&sandbox, "soci-push").stdin(edited.to_string()).run();
            let ended = ended.ends_with(code);
            let digest = digest.as_str().expect("text");
            assert!(ended.says(digest).stdout.is_empty(), "{place}");
        }
    }
    assert_eq!(registry.count("PUT|POST|PATCH", "*"), 0);
    // What it says of that which a manifest or an index says itself makes no difference.
    let mut edited = whole.clone();
    for place in [
        "/manifests/0/config/digest",
        "/manifests/0/layers/0/ztoc/digest",
    ] {
        *edited.pointer_mut(place).expect("a digest") = absent.clone();
    }
    for document in [edited, whole.clone()] {
        let push = stage(&sandbox, "soci-push").stdin(document.to_string());
        push.run().succeeds();
        let pushed = registry
            .manifest("app", "v1-soci")
            .expect("what was pushed");
        assert_eq!(
            json!(image::digest(pushed.bytes())),
            whole["converted"]["digest"]
        );
    }
    let stored = registry.digests();
    assert!(!stored.contains(absent.as_str().expect("text")));
    for place in [
        "/manifests/0/index/v2/digest",
        "/manifests/0/layers/0/ztoc/digest",
    ] {
        let digest = whole.pointer(place).and_then(Value::as_str);
        assert!(stored.contains(digest.expect("a digest")), "{place}");
    }
}

#[test]
fn h7_an_image_of_another_registry_gets_no_index_of_this_one() {
    let (sandbox, registry, reference) = with_registry();
    let plan: Value = serde_json::from_slice(&planned(&sandbox, &reference)).expect("JSON");
    let other = Faulty::start();
    let mut edited = plan;
    edited["image"] = json!(format!("{}/app:v1", other.host()));
    let requests = registry.requests().len();
    // The layers are looked for where the document says that they are, and are not there.
    let index = stage(&sandbox, "soci-index")
        .stdin(edited.to_string())
        .run();
    assert!(index.ends_with(80).says(&other.host()).stdout.is_empty());
    assert_eq!(registry.requests().len(), requests);
    assert_eq!(other.count("PUT|POST|PATCH", "*"), 0);
}

#[test]
fn g3_a_pipe_that_is_closed_in_the_middle_of_a_document_ends_it_without_a_word() {
    let (sandbox, _registry, reference) = with_registry();
    let line = indexed(&sandbox, &reference);
    let mut document: Value = serde_json::from_slice(&line).expect("JSON");
    // More than any pipe holds.
    document["mine"] = json!("x".repeat(4 << 20));
    let large = sandbox.write("large", document.to_string());
    let small = sandbox.write("small", &line);
    for name in READERS {
        let tool = soci_testkit::process::bin(name);
        for (input, codes) in [(&large, &[141][..]), (&small, &[0, 141])] {
            let script = "\"$0\" -q <\"$1\" | head -c1; exit \"${PIPESTATUS[0]}\"";
            let shell = sandbox.program("bash").args(["-c", script]).arg(&tool);
            let shell = shell.arg(input).env("SOCI_MIN_LAYER_SIZE", "0");
            let ended = shell.run();
            assert_eq!(ended.text(), "{");
            assert_eq!(ended.stderr, "", "{name}");
            assert!(codes.contains(&ended.code()), "{name}: {}", ended.code());
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
