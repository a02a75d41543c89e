//! Pipelines of tools, as a shell runs them.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::{Child, ChildStdout, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Finished, TIME_LIMIT, Tool, file_name};

/// Runs tools as `first | second | …`, and returns the output and exit status of each, in this
/// order.
///
/// The first tool reads its [`Tool::stdin`]. Panics if a tool runs longer than three minutes, or
/// prints a secret.
#[track_caller]
pub fn pipeline(tools: impl IntoIterator<Item = Tool>) -> Vec<Finished> {
    let tools: Vec<Tool> = tools.into_iter().collect();
    let logs = TempDir::new().expect("a temporary directory");
    let last = tools.len().saturating_sub(1);
    let mut running: Vec<Running> = Vec::new();
    for (index, tool) in tools.into_iter().enumerate() {
        let previous = running.last_mut();
        let stdin = previous.and_then(|previous| previous.child.stdout.take());
        let log = logs.path().join(index.to_string());
        running.push(Running::start(tool, stdin, index == last, log));
    }
    let deadline = Instant::now() + TIME_LIMIT;
    running
        .into_iter()
        .map(|tool| tool.wait(deadline))
        .collect()
}

/// A running tool of a pipeline.
struct Running {
    name: String,
    child: Child,
    /// The prefix of the files for its output.
    log: PathBuf,
}

impl Running {
    /// Starts a tool that reads from `stdin`, or else the bytes of [`Tool::stdin`].
    ///
    /// The stdout of the last tool goes to a file, that of the others to a pipe.
    fn start(mut tool: Tool, stdin: Option<ChildStdout>, is_last: bool, log: PathBuf) -> Self {
        let name = file_name(&tool.command);
        let bytes = std::mem::take(&mut tool.stdin);
        let mut command = tool.into_limited_command();
        let create = |stream: &str| File::create(log.with_extension(stream)).expect("a new file");
        command.stderr(create("stderr"));
        command.stdout(if is_last {
            Stdio::from(create("stdout"))
        } else {
            Stdio::piped()
        });
        let is_first = stdin.is_none();
        command.stdin(stdin.map_or_else(Stdio::piped, Stdio::from));
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        if is_first {
            write_stdin(&mut child, bytes);
        }
        Self { name, child, log }
    }

    /// Waits until the tool exits, and asserts that it has printed no secret.
    #[track_caller]
    fn wait(self, deadline: Instant) -> Finished {
        let Self {
            name,
            mut child,
            log,
        } = self;
        let status = wait_until(&mut child, deadline);
        let read = |stream: &str| fs::read(log.with_extension(stream)).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&read("stderr")).into_owned();
        let status = status.unwrap_or_else(|| panic!("{name} hangs; its stderr is:\n{stderr}"));
        let stdout = read("stdout");
        let finished = Finished {
            name,
            status,
            stdout,
            stderr,
        };
        finished.assert_no_secrets();
        finished
    }
}

/// Writes in a thread, since a tool may write to a full pipe before it has read all of its stdin.
fn write_stdin(child: &mut Child, bytes: Vec<u8>) {
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    thread::spawn(move || {
        // Writing fails if the tool exits before it has read everything, which is for the test to
        // judge.
        drop(stdin.write_all(&bytes));
    });
}

/// Waits for a process. Kills it and returns `None` if it runs past the deadline.
fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().expect("a child that was not waited for") {
            return Some(status);
        }
        if Instant::now() > deadline {
            child.kill().expect("a child that can be killed");
            child.wait().expect("a child that was not waited for");
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
