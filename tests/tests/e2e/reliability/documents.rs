//! Documents of a gigabyte. Each tool's own tests have smaller bad documents.

use std::{
    io::Write as _,
    process::{Child, Stdio},
    thread,
};

use serde_json::Value;
use soci_testkit::process::Sandbox;

const READERS: [&str; 4] = ["soci-pull", "soci-plan", "soci-index", "soci-push"];

/// The most memory, in KiB, that a tool may use.
const MEMORY: u64 = 96 << 10;

/// How many bytes the test writes to a tool, if the tool reads them.
const FLOOD: usize = 1 << 30;

/// Starts a tool below a script that prints how much memory the tool used.
fn watched(sandbox: &Sandbox, name: &str) -> Child {
    let watch = "import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";
    let tool = sandbox.program("python3").args(["-c", watch]);
    let mut command = tool.arg(soci_testkit::workspace::bin(name)).into_command();
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
