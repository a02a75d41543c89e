//! A standard output that is closed or full.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Output, Stdio},
};

use serde_json::json;

use super::Prepared;

/// Runs the tool on a document, with a standard output of the test's choice.
fn run(prepared: &Prepared, line: &[u8], stdout: impl Into<Stdio>) -> Output {
    let input = prepared.sandbox.write("input.json", line);
    let mut command = prepared.tool().arg("-q").into_command();
    command
        .stdin(File::open(input).expect("the input"))
        .stdout(stdout)
        .stderr(Stdio::piped());
    let child = command.spawn().expect("the tool");
    // The command would keep the pipe's end open.
    drop(command);
    child.wait_with_output().expect("its end")
}

/// G3, H8: a tool whose reader is gone ends with 141, and does not report it as its own failure.
#[test]
fn ends_silently_when_the_reader_is_gone() {
    let prepared = Prepared::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = run(&prepared, &prepared.line, writer);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(141), "{said}");
    assert!(!said.contains("pipe"), "{said}");
}

/// G3: a pipe that is closed in the middle of a document ends the tool with 141 and without a
/// message.
#[test]
fn ends_silently_when_the_pipe_closes_in_a_document() {
    let prepared = Prepared::new();
    let mut large = prepared.document();
    // More than any pipe holds.
    large["mine"] = json!("x".repeat(4 << 20));
    let large = large.to_string().into_bytes();
    for (line, codes) in [(&large, &[141][..]), (&prepared.line, &[0, 141])] {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let first = std::thread::spawn(move || {
            let mut first = [0];
            reader.read_exact(&mut first).map(|()| first)
        });
        let output = run(&prepared, line, writer);
        assert_eq!(first.join().expect("no panic").expect("a byte"), *b"{");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "");
        let code = output.status.code().expect("no signal");
        assert!(codes.contains(&code), "{code}");
    }
}

/// H8: a full standard output is an error.
#[test]
fn fails_when_standard_output_is_full() {
    let prepared = Prepared::new();
    let full = File::create("/dev/full").expect("/dev/full");
    let output = run(&prepared, &prepared.line, full);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(said.contains("cannot write to stdout"), "{said}");
}

/// A producer that waits for the result of each document before it sends the next one gets it,
/// although the tool could work on several.
#[test]
fn answers_each_document_before_the_next_one_comes() {
    let prepared = Prepared::new();
    let mut command = prepared.tool().arg("-q").into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the tool");
    let mut input = child.stdin.take().expect("a pipe");
    let output = child.stdout.take().expect("a pipe");
    let mut output = BufReader::new(output).lines();
    for _ in 0..3 {
        input.write_all(&prepared.line).expect("a reader");
        let line = output.next().expect("a line").expect("text");
        assert!(line.starts_with('{'), "{line}");
    }
    drop(input);
    assert!(output.next().is_none());
    assert_eq!(child.wait().expect("its end").code(), Some(0));
}
