//! The process of the oracle.

use std::io::{BufReader, BufWriter, Read, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::thread;

use soci_testkit::workspace;
use soci_ztoc::Compression;

/// How many layers are on their way to the oracle and back at most.
const IN_FLIGHT: usize = 64;

/// What became of a layer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// There is a ztoc.
    Ztoc = 0,
    /// The gzip stream is damaged.
    Gzip = 1,
    /// The tar is damaged.
    Tar = 2,
    /// The tar has an entry that a ztoc cannot hold.
    Entry = 3,
}

/// A layer, and what became of it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) compression: Compression,
    pub(crate) span_size: u64,
    pub(crate) outcome: Outcome,
    pub(crate) layer: Vec<u8>,
    /// The bytes of the ztoc. Empty if the layer has none.
    pub(crate) ztoc: Vec<u8>,
}

/// The oracle as a process that runs until its input ends.
pub(crate) struct Oracle {
    process: Child,
}

/// Returns the path of the oracle, which `scripts/setup.sh` builds.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut setup = Command::new(workspace::root().join("scripts/setup.sh"));
        let built = setup.arg("oracle").stderr(Stdio::inherit()).output();
        let built = built.expect("scripts/setup.sh runs");
        assert!(built.status.success(), "scripts/setup.sh oracle failed");
        String::from_utf8_lossy(&built.stdout).trim().to_owned()
    })
}

/// Returns random tars that the oracle writes with Go.
pub(crate) fn generate(seed: u64, count: u64) -> Vec<Vec<u8>> {
    let mut command = Command::new(program());
    command.args(["generate", &seed.to_string(), &count.to_string()]);
    let output = command.output().expect("the oracle runs");
    assert!(output.status.success(), "the oracle failed");
    let mut rest = &output.stdout[..];
    (0..count).map(|_| read_bytes(&mut rest)).collect()
}

impl Oracle {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(program());
        command.env("GOMAXPROCS", "1").env("GOGC", "400");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self {
            process: command.spawn().expect("the oracle starts"),
        }
    }

    /// Lets the oracle judge all cases, and passes those on which it disagrees to `report`, with
    /// their number and the answer.
    pub(crate) fn judge_all(
        &mut self,
        cases: impl Iterator<Item = Case>,
        mut report: impl FnMut(u64, Case, String),
    ) {
        let mut input = BufWriter::new(self.process.stdin.take().expect("a pipe"));
        let output = BufReader::new(self.process.stdout.take().expect("a pipe"));
        // Cases wait in the channel for their answers, which another thread reads, so that neither
        // pipe is full for ever.
        let (sender, receiver) = sync_channel::<Case>(IN_FLIGHT);
        let reader = thread::spawn(move || read_answers(output, &receiver));
        for case in cases {
            write_case(&mut input, &case);
            sender.send(case).expect("the thread runs");
        }
        drop((input, sender));
        let disagreed = reader.join().expect("the oracle answers every case");
        for (number, case, answer) in disagreed {
            report(number, case, answer);
        }
        let status = self.process.wait().expect("the oracle ends");
        assert!(status.success(), "the oracle failed");
    }
}

fn read_answers(
    mut output: BufReader<ChildStdout>,
    cases: &std::sync::mpsc::Receiver<Case>,
) -> Vec<(u64, Case, String)> {
    let mut disagreed = Vec::new();
    for (case, number) in cases.iter().zip(0..) {
        let answer = read_bytes(&mut output);
        if !answer.is_empty() {
            disagreed.push((number, case, String::from_utf8_lossy(&answer).into_owned()));
        }
    }
    disagreed
}

fn write_case(input: &mut BufWriter<ChildStdin>, case: &Case) {
    let compression = match case.compression {
        Compression::Gzip => 1,
        Compression::Uncompressed => 2,
    };
    let mut head = vec![compression];
    head.extend_from_slice(&case.span_size.to_le_bytes());
    head.push(case.outcome as u8);
    input.write_all(&head).expect("the oracle reads");
    for bytes in [&case.layer, &case.ztoc] {
        let length = u32::try_from(bytes.len()).expect("small");
        input
            .write_all(&length.to_le_bytes())
            .expect("the oracle reads");
        input.write_all(bytes).expect("the oracle reads");
    }
    input.flush().expect("the oracle reads");
}

fn read_bytes(source: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    source
        .read_exact(&mut length)
        .expect("an answer of the oracle");
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    source
        .read_exact(&mut bytes)
        .expect("an answer of the oracle");
    bytes
}
