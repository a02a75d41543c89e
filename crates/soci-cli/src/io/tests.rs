use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;

/// What was written, up to a limit at which the disk is full.
#[derive(Clone, Default)]
pub(super) struct Written {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: Option<usize>,
}

impl Written {
    pub(super) fn lines(&self) -> Vec<Value> {
        let bytes = self.bytes.lock().expect("no panic");
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.bytes.lock().expect("no panic");
        let free = self.limit.map_or(usize::MAX, |limit| limit - written.len());
        if free == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let part = &bytes[..bytes.len().min(free)];
        written.extend(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn io(input: &str, output_kind: Output, output: &Written) -> Io {
    Io {
        progress: Progress::hidden(),
        stage: "soci-test",
        output_kind,
        input: Box::new(io::Cursor::new(input.as_bytes().to_vec())),
        output: Box::new(output.clone()),
        style: Style::Json,
        current_image: None,
        first_failure: None,
        reads_terminal: false,
    }
}

fn failed(image: &str, exit: u8) -> String {
    json!({"version": 1, "image": image,
        "error": {"stage": "soci-pull", "exit": exit, "message": "no"}})
    .to_string()
}

#[test]
fn a_panic_fails_the_image_that_is_worked_on() {
    let written = Written::default();
    let mut io = io("", Output::Documents, &written);
    let panics = || -> Result<(), Failure> {
        io.process_image::<Document>("a:v1", |_| panic!("a bug of this test"))
    };
    catch_unwind(AssertUnwindSafe(panics)).expect_err("a panic");
    assert_eq!(io.fail_by_panic(), 70);
    let [line] = &written.lines()[..] else {
        panic!("not one line: {:?}", written.lines());
    };
    assert_eq!(line["image"], "a:v1");
    assert_eq!(line["error"]["stage"], "soci-test");
    assert_eq!(line["error"]["exit"], 70);
    assert!(!line.to_string().contains("a bug"), "{line}");
}

#[test]
fn a_panic_between_images_fails_the_stage() {
    let written = Written::default();
    let mut io = io(&failed("a:v1", 80), Output::Documents, &written);
    io.for_each_document(|document, _| Ok(document))
        .expect("one line");
    assert_eq!(io.fail_by_panic(), 80, "the first failed image counts");
    assert_eq!(written.lines()[1].get("image"), None);
}

#[test]
fn nothing_follows_a_line_that_was_cut_off() {
    let written = Written {
        limit: Some(20),
        ..Written::default()
    };
    let mut io = io(&failed("a:v1", 80), Output::Documents, &written);
    let failure = io
        .for_each_document(|document, _| Ok(document))
        .expect_err("a full disk");
    written.bytes.lock().expect("no panic").truncate(10);
    assert_eq!(io.fail_run(&failure), 80);
    assert_eq!(written.bytes.lock().expect("no panic").len(), 10);
}

#[test]
fn a_tool_without_documents_writes_no_failures() {
    let written = Written::default();
    let lines = [failed("a:v1", 77), "{}".to_owned(), failed("b:v1", 80)].join("\n");
    let mut io = io(&lines, Output::Other, &written);
    let read = io.read_all(|line| line).expect("lines");
    let exit = |line: &Line| match line {
        Line::Failed(failed) => failed.error.exit.get(),
        Line::Document(_) => 0,
    };
    assert_eq!(read.iter().map(exit).collect::<Vec<_>>(), [77, 65, 80]);
    io.fail_image(None, Failure::message(Exit::Io, "a report"))
        .expect("no output");
    assert_eq!(io.fail_run(&Failure::message(Exit::Io, "a report")), 77);
    assert!(written.lines().is_empty());
    let mut empty = self::io("\n", Output::Other, &written);
    assert_eq!(
        empty.read_all(|line| line).expect_err("nothing").exit,
        Exit::NoInput
    );
}
