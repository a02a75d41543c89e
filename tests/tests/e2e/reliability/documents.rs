//! Documents of a gigabyte. Each tool's own tests have smaller bad documents.

use std::{
    io::Write as _,
    process::{Child, Stdio},
    thread,
};

use serde_json::Value;
use soci_testkit::{
    image::{self, Image},
    process::Sandbox,
};

use crate::stages::{layer, stage};

const READERS: [&str; 4] = ["soci-pull", "soci-plan", "soci-index", "soci-push"];

/// The most memory, in KiB, that a tool may use.
const MEMORY: u64 = 96 << 10;

/// How many bytes the test writes to a tool, if the tool reads them.
const FLOOD: usize = 1 << 30;

/// The most memory, in KiB, that a tool may use for a line of 16 MiB that it passes on.
const MEMORY_FOR_A_LINE: u64 = 128 << 10;

/// Starts a tool below a script that prints how much memory the tool used.
fn watched(sandbox: &Sandbox, name: &str) -> Child {
    let watch = "import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(int(used.ru_utime * 1000), used.ru_maxrss, sep='\\n', file=sys.stderr)
sys.exit(code)";
    let tool = sandbox.program("python3").args(["-c", watch]);
    let tool = tool.arg(soci_testkit::workspace::bin(name));
    let mut command = tool.env("SOCI_MIN_LAYER_SIZE", "0").into_command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("python3")
}

/// H6: a gigabyte of JSON is refused after 16 MiB, in bounded memory.
#[test]
fn refuses_a_gigabyte_of_json_after_16_mib() {
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
        for (form, start, chunk) in &forms {
            let mut child = watched(&sandbox, name);
            let mut stdin = child.stdin.take().expect("a pipe");
            let (start, chunk) = (start.to_vec(), chunk.clone());
            let flood = thread::spawn(move || {
                let mut taken = 0;
                let mut next = start;
                while taken < FLOOD && stdin.write_all(&next).is_ok() {
                    taken += next.len();
                    next.clone_from(&chunk);
                }
                taken
            });
            let output = child.wait_with_output().expect("its end");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(65), "{name}, {form}: {said}");
            let failed: Value = serde_json::from_slice(&output.stdout).expect("one line");
            assert_eq!(failed["error"]["exit"], 65, "{failed}");
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

/// What a tool wrote for a line, and what that took.
struct Passed {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
    /// The time of the processor in milliseconds.
    time: u64,
    /// The memory in KiB.
    memory: u64,
}

fn pass(sandbox: &Sandbox, name: &str, line: Vec<u8>) -> Passed {
    let mut child = watched(sandbox, name);
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = thread::spawn(move || drop(stdin.write_all(&line)));
    let output = child.wait_with_output().expect("its end");
    writer.join().expect("no panic");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut numbers = stderr
        .lines()
        .rev()
        .map(|line| line.parse().expect("a number"));
    Passed {
        code: output.status.code(),
        memory: numbers.next().expect("the memory"),
        time: numbers.next().expect("the time"),
        stdout: output.stdout,
        stderr: stderr.clone(),
    }
}

/// Returns a sandbox with an image, and the document that `soci-pull` writes for it, with a field
/// of the user.
fn with_field(field: &str) -> (Sandbox, Vec<u8>) {
    let sandbox = Sandbox::new();
    let image = Image::new("linux/amd64").layer(layer(1, 3000));
    image::write_layout(&sandbox.path().join("image"), &[image]);
    let pulled = stage(&sandbox, "soci-pull")
        .arg("oci:image")
        .run()
        .succeeds();
    let line = String::from_utf8(pulled.stdout).expect("UTF-8");
    let line = line.replacen(
        "\"layers\":[{",
        &format!("\"layers\":[{{\"mine\":{field},"),
        1,
    );
    assert!(line.contains("\"mine\""), "{line}");
    (sandbox, line.into_bytes())
}

/// H3: a document with 15.8 MB of numbers in a field of the user passes through all tools byte for
/// byte, in bounded memory, and not in more time than another field of this size.
#[test]
fn passes_on_16_mib_of_numbers_byte_for_byte() {
    let numbers = "12345678901234567890123,4.19e36,1.10,-0,1,2,3,4,5,6,7,8,9,";
    let numbers = format!("[{}0]", numbers.repeat(15_800_000 / numbers.len()));
    let text = format!("\"{}\"", "x".repeat(numbers.len() - 2));
    let mut times = Vec::new();
    for field in [text, numbers] {
        let (sandbox, mut line) = with_field(&field);
        let mut time = 0;
        for name in READERS {
            let passed = pass(&sandbox, name, line);
            assert_eq!(passed.code, Some(0), "{name}: {}", passed.stderr);
            let is_kept = String::from_utf8_lossy(&passed.stdout).contains(&field);
            assert!(is_kept, "{name} changes the field");
            assert!(
                passed.memory < MEMORY_FOR_A_LINE,
                "{name}: {} KiB",
                passed.memory
            );
            time += passed.time;
            line = passed.stdout;
        }
        let report = pass(&sandbox, "soci-report", line);
        assert_eq!(report.code, Some(0), "{}", report.stderr);
        assert!(report.memory < MEMORY_FOR_A_LINE, "{} KiB", report.memory);
        times.push(time);
    }
    assert!(times[1] < 20 * (times[0] + 100), "{times:?} ms");
}

/// H6: parsed values take many times their text, so known fields have a limit of their own.
#[test]
fn refuses_too_many_values_in_known_fields() {
    let sandbox = Sandbox::new();
    let tags = vec!["\"\""; 5_000_000].join(",");
    let keys: Vec<String> = (0..1_300_000).map(|key| format!("\"{key:x}\":0")).collect();
    let keys = keys.join(",");
    let nested = "[".repeat(7_000_000) + &"]".repeat(7_000_000);
    for name in READERS.into_iter().chain(["soci-report"]) {
        for (line, said) in [
            (
                format!("{{\"version\":1,\"push\":{{\"tags\":[{tags}]}}}}"),
                "more than 524288 values",
            ),
            (
                format!("{{\"version\":1,\"version\":1,{keys}}}"),
                "duplicate field",
            ),
            (
                format!("{{\"version\":1,\"mine\":{nested}}}"),
                "nested more than 127",
            ),
        ] {
            let passed = pass(&sandbox, name, line.into_bytes());
            let stderr = &passed.stderr;
            assert_eq!(passed.code, Some(65), "{name}: {stderr}");
            assert!(stderr.contains(said), "{name}: {stderr}");
            assert!(
                passed.memory < MEMORY_FOR_A_LINE,
                "{name}: {} KiB",
                passed.memory
            );
        }
    }
}
