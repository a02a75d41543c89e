//! Runs the tools as a shell would, without the environment variables of the test.
//!
//! A `Sandbox` is a home directory and a store, a `Tool` is a command line in it, and
//! `pipeline` connects several.

mod pipeline;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{canary::assert_hidden, limited, workspace};

pub use pipeline::pipeline;

/// How long a pipeline may run before the test fails.
const TIME_LIMIT: Duration = Duration::from_mins(3);

/// A working directory with a home directory and a store, which are removed when this is dropped.
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
    /// Creates an empty sandbox.
    pub fn new() -> Self {
        let sandbox = Self {
            root: TempDir::with_prefix("soci-").expect("a temporary directory"),
        };
        fs::create_dir(sandbox.home()).expect("a new directory");
        sandbox
    }

    /// Returns the working directory of the tools, which contains `home` and `store`.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Returns the tools' `HOME`.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// Returns the tools' `SOCI_STORE`. The first tool creates it.
    pub fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// Writes a file below the working directory, and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a path below the sandbox"))
            .expect("a writable sandbox");
        fs::write(&path, content).expect("a writable sandbox");
        path
    }

    /// Returns a command for one of the workspace's binaries; see [`workspace::bin`].
    pub fn tool(&self, name: &str) -> Tool {
        self.program(workspace::bin(name))
    }

    /// Returns a command for a program, given by its path or by a name in `PATH`.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Tool {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_clear();
        command
            .env("HOME", self.home())
            .env("SOCI_STORE", self.store());
        command.envs(search_path());
        let is_tool = file_name(&command).starts_with("soci-");
        Tool {
            command,
            stdin: Vec::new(),
            memory: is_tool.then_some(limited::MEMORY_LIMIT),
        }
    }
}

fn search_path() -> Option<(&'static str, OsString)> {
    Some(("PATH", env::var_os("PATH")?))
}

/// A command line that was not started yet.
#[derive(Debug)]
pub struct Tool {
    command: Command,
    stdin: Vec<u8>,
    /// The memory in bytes that the process may have.
    memory: Option<u64>,
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

    /// Sets the bytes that the tool reads from a pipe on stdin. The default is an empty pipe.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Lets the process have this many bytes of memory: its heap, its stacks and its data. The
    /// tools have 256 MiB unless this is called.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Limits the memory that the tool may allocate to [`limited::MEMORY_LIMIT`], whether or not it
    /// uses it, which is the default for the tools of this workspace.
    #[must_use]
    pub fn limit_memory(self) -> Self {
        self.memory(limited::MEMORY_LIMIT)
    }

    /// Returns the command without the bytes of [`Tool::stdin`] and without the limit of
    /// [`Tool::memory`], for a test that starts the process itself.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Returns the command with the limit on its memory.
    fn into_limited_command(self) -> Command {
        match self.memory {
            Some(bytes) => limited::limit(&self.command, bytes),
            None => self.command,
        }
    }

    /// Runs the tool until it exits.
    ///
    /// Panics if it runs longer than three minutes, or prints a secret.
    #[track_caller]
    pub fn run(mut self) -> Finished {
        let name = file_name(&self.command);
        let started = Instant::now();
        let stdin = std::mem::take(&mut self.stdin);
        let output = assert_cmd::Command::from_std(self.into_limited_command())
            .write_stdin(stdin)
            .timeout(TIME_LIMIT)
            .output()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            started.elapsed() < TIME_LIMIT,
            "{name} hangs; its stderr is:\n{stderr}"
        );
        let finished = Finished {
            name,
            status: output.status,
            stdout: output.stdout,
            stderr,
        };
        finished.assert_no_secrets();
        finished
    }
}

/// The output and exit status of a tool.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The program's file name.
    pub name: String,
    /// The exit status.
    pub status: ExitStatus,
    /// The bytes that it wrote to stdout. Empty for a tool whose stdout is the next tool's stdin.
    pub stdout: Vec<u8>,
    /// The text that it wrote to stderr.
    pub stderr: String,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "an assertion is often the last call of a chain"
)]
impl Finished {
    /// Returns the exit status as a shell does: 128 plus the number of a signal that killed the
    /// tool.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Asserts that a tool of this workspace has printed no secret.
    #[track_caller]
    fn assert_no_secrets(&self) {
        if self.name.starts_with("soci-") {
            assert_hidden(&format!("stderr of {}", self.name), self.stderr.as_bytes());
            assert_hidden(&format!("stdout of {}", self.name), &self.stdout);
        }
    }

    /// Asserts the exit status.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "exit status of {}, whose stderr is:\n{}",
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

    /// Asserts that stderr contains a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "stderr of {} does not contain `{text}`:\n{}",
            self.name,
            self.stderr
        );
        self
    }

    /// Returns stdout as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.stdout).expect("UTF-8 on stdout")
    }

    /// Parses stdout as JSON Lines.
    #[track_caller]
    pub fn documents(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in `{line}`"));
        self.text().lines().map(parse).collect()
    }

    /// Parses stdout as JSON Lines, and returns the documents of the images that did not fail.
    #[track_caller]
    pub fn done(&self) -> Vec<Value> {
        let mut documents = self.documents();
        documents.retain(|document| document["error"].is_null());
        documents
    }

    /// Asserts that stdout has one line: a failed image, with the exit status of the tool and with
    /// the message that it printed.
    #[track_caller]
    pub fn writes_only_its_failure(&self) {
        let said = format!("{:?} of {}: {}", self.text(), self.name, self.stderr);
        let [failed] = &self.documents()[..] else {
            panic!("not one line: {said}");
        };
        let mut names = failed.as_object().expect("an object").keys();
        assert!(
            names.all(|name| ["version", "image", "error"].contains(&name.as_str())),
            "{said}"
        );
        let error = &failed["error"];
        assert_eq!(error["exit"], self.code(), "{said}");
        let stage = error["stage"].as_str().expect("a stage");
        let is_tool = self.name.starts_with("soci-");
        assert!(stage.starts_with("soci-") && (stage == self.name || !is_tool));
        let message = error["message"].as_str().expect("a message");
        assert!(
            !message.is_empty() && self.stderr.contains(message),
            "{said}"
        );
    }
}

/// Returns the file name of a command's program.
fn file_name(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name();
    name.unwrap_or_default().to_string_lossy().into_owned()
}
