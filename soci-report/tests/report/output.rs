//! A standard output that is full or closed.

use std::{fs::File, process::Stdio};

use soci_testkit::process::Sandbox;

use crate::{FORMATS, pushed, soci_tool};

/// H8: stdout is full or closed.
#[test]
fn fails_when_standard_output_is_full_or_closed() {
    for format in FORMATS {
        let sandbox = Sandbox::new();
        let input = sandbox.write("pushed.json", pushed().to_string());
        let run = |stdout: Stdio| {
            let mut command = soci_tool(&sandbox)
                .args(["--format", format])
                .into_command();
            command
                .stdin(File::open(&input).expect("the input"))
                .stdout(stdout);
            let output = command.stderr(Stdio::piped()).output().expect("the tool");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), said)
        };
        let full = File::create("/dev/full").expect("/dev/full");
        let (code, said) = run(full.into());
        assert_eq!(code, Some(74), "{said}");
        assert!(said.contains("cannot write to stdout"), "{said}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (code, said) = run(writer.into());
        assert_eq!((code, said.as_str()), (Some(141), ""), "{format}");
    }
}
