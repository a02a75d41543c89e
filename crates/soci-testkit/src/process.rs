//! Runs the tools as a shell would, with an environment that holds nothing of the machine's.
//!
//! A [`Sandbox`] is a home directory and a store; a [`Tool`] is one command line in it; [`pipeline`] joins several.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::canary::assert_hidden;

/// How long a tool may run before it counts as hanging.
const DEADLINE: Duration = Duration::from_mins(3);

/// Returns the workspace's root.
pub fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .expect("the workspace that this was built from")
}

/// Returns the directory of this build's profile, `target/debug` or `target/release`.
pub fn profile_directory() -> PathBuf {
    let test = env::current_exe().expect("a running test");
    // target/PROFILE/deps/TEST
    test.ancestors()
        .nth(2)
        .expect("a test lies in target/PROFILE/deps")
        .to_owned()
}

/// Returns the path of one of the workspace's binaries, in the profile of the running test.
///
/// Cargo builds another package's binaries only when it is told to: `cargo build --workspace` comes first.
pub fn bin(name: &str) -> PathBuf {
    let path = profile_directory().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first",
        path.display()
    );
    path
}

/// A home directory, a store and a working directory, removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// Makes an empty sandbox.
    pub fn new() -> Self {
        let sandbox = Self {
            root: TempDir::with_prefix("soci-").expect("a temporary directory"),
        };
        fs::create_dir(sandbox.home()).expect("a new directory");
        sandbox
    }

    /// Returns the working directory of the tools; `home` and `store` lie in it.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Returns what the tools see as `HOME`.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// Returns what the tools see as `SOCI_STORE`; it exists once a tool has made it.
    pub fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// Writes a file below the working directory and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a path below the sandbox"))
            .expect("a writable sandbox");
        fs::write(&path, content).expect("a writable sandbox");
        path
    }

    /// Returns a command for one of the workspace's binaries.
    pub fn tool(&self, name: &str) -> Tool {
        self.program(bin(name))
    }

    /// Returns a command for any program, by path or by a name on `PATH`.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Tool {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_clear();
        command
            .env("HOME", self.home())
            .env("SOCI_STORE", self.store());
        command.envs(search_path());
        Tool {
            command,
            stdin: Vec::new(),
        }
    }
}

fn search_path() -> Option<(&'static str, OsString)> {
    Some(("PATH", env::var_os("PATH")?))
}

/// One command line to be run.
#[derive(Debug)]
pub struct Tool {
    command: Command,
    stdin: Vec<u8>,
}

impl Tool {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable, such as `HOME`.
    #[must_use]
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets what the tool reads from a pipe on its standard input; without it, the pipe is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Returns the command for a test that runs it in a way of its own; what [`Tool::stdin`] set is not in it.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs the tool to its end.
    #[track_caller]
    pub fn run(self) -> Finished {
        pipeline([self]).pop().expect("one tool was run")
    }
}

/// What a tool left behind.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The program's file name.
    pub name: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output; empty where that went to the next tool.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "an assertion is often the end of its chain"
)]
impl Finished {
    /// Returns the status as a shell shows it: 128 and the signal's number for a tool that was ended by one.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Asserts the exit status.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "exit status of {}, which wrote:\n{}",
            self.name,
            self.stderr
        );
        self
    }

    /// Asserts exit status 0.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.ends_with(0)
    }

    /// Asserts that standard error has a text in it.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{} does not say `{text}` but:\n{}",
            self.name,
            self.stderr
        );
        self
    }

    /// Returns standard output as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.stdout).expect("text on standard output")
    }

    /// Parses standard output as JSON Lines.
    #[track_caller]
    pub fn documents(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in `{line}`"));
        self.text().lines().map(parse).collect()
    }
}

/// Runs tools as `first | second | …` and returns how each ended, in that order.
///
/// The first one reads its [`Tool::stdin`]; each other one reads what the one before it writes.
#[track_caller]
pub fn pipeline(tools: impl IntoIterator<Item = Tool>) -> Vec<Finished> {
    let tools: Vec<Tool> = tools.into_iter().collect();
    let logs = TempDir::new().expect("a temporary directory");
    let log = |index: usize, stream: &str| logs.path().join(format!("{index}.{stream}"));
    let last = tools.len().saturating_sub(1);
    let mut running: Vec<(String, Child)> = Vec::new();
    for (index, tool) in tools.into_iter().enumerate() {
        let Tool { mut command, stdin } = tool;
        let before = running
            .last_mut()
            .and_then(|(_, child)| child.stdout.take());
        let first = before.is_none();
        command.stdin(before.map_or_else(Stdio::piped, Stdio::from));
        command.stderr(File::create(log(index, "stderr")).expect("a new file"));
        command.stdout(if index == last {
            Stdio::from(File::create(log(index, "stdout")).expect("a new file"))
        } else {
            Stdio::piped()
        });
        let name = Path::new(command.get_program())
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        if first {
            feed(&mut child, stdin);
        }
        running.push((name, child));
    }
    let deadline = Instant::now() + DEADLINE;
    let end = |(index, (name, mut child)): (usize, (String, Child))| {
        let ended = wait_until(&mut child, deadline);
        let stderr = fs::read(log(index, "stderr")).expect("what the tool wrote");
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let status = ended.unwrap_or_else(|| panic!("{name} hangs; it wrote:\n{stderr}"));
        let stdout = if index == last {
            fs::read(log(index, "stdout")).expect("what the tool wrote")
        } else {
            vec![]
        };
        if name.starts_with("soci-") {
            assert_hidden(&format!("stderr of {name}"), stderr.as_bytes());
            assert_hidden(&format!("stdout of {name}"), &stdout);
        }
        Finished {
            name,
            status,
            stdout,
            stderr,
        }
    };
    running.into_iter().enumerate().map(end).collect()
}

/// Writes from a thread, so that a tool that writes before it has read all does not wait for ever.
fn feed(child: &mut Child, bytes: Vec<u8>) {
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    thread::spawn(move || {
        // A tool may end without reading: its status and its messages are what the test looks at.
        drop(stdin.write_all(&bytes));
    });
}

/// Waits for a process; one that runs past the deadline is killed and gives nothing.
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
