//! A tool that runs while the test does something else, such as send it a signal.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::{
    process::{Sandbox, Tool},
    store::assert_sound,
};

/// How long a tool may take to end after a signal.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a test waits for anything else.
const PATIENCE: Duration = Duration::from_secs(30);

/// The signals that end a tool: their names and numbers.
pub const SIGNALS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];

/// A running tool, whose output goes to files in the sandbox. It is killed when dropped.
#[derive(Debug)]
pub struct RunningTool {
    child: Child,
    sandbox: Sandbox,
}

impl RunningTool {
    /// Starts a tool with this standard input, and with the default action of every signal.
    ///
    /// A test's process may ignore signals, for example below `nohup`, and the tool would inherit
    /// that.
    pub fn start(sandbox: Sandbox, tool: Tool, stdin: &[u8]) -> Self {
        let tool = tool.into_command();
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(tool.get_program());
        command.args(tool.get_args()).env_clear();
        let variables = tool.get_envs();
        command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        if let Some(directory) = tool.get_current_dir() {
            command.current_dir(directory);
        }
        Self::spawn(sandbox, command, stdin)
    }

    /// Starts a tool with the signals that the test's process has.
    pub fn start_with_own_signals(sandbox: Sandbox, tool: Tool, stdin: &[u8]) -> Self {
        Self::spawn(sandbox, tool.into_command(), stdin)
    }

    fn spawn(sandbox: Sandbox, mut command: Command, stdin: &[u8]) -> Self {
        let input = sandbox.write("stdin", stdin);
        let output = |name| File::create(sandbox.path().join(name)).expect("a new file");
        command
            .stdin(File::open(input).expect("the input"))
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        let child = command.spawn().expect("a tool");
        Self { child, sandbox }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.send_signals(name, 1);
    }

    /// Sends a signal several times by one call.
    pub fn send_signals(&self, name: &str, times: usize) {
        let process = self.child.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-s", name]);
        kill.args(std::iter::repeat_n(&process, times));
        assert!(kill.status().expect("kill").success());
    }

    /// Waits until a file of the sandbox's store has `part` in its name.
    #[track_caller]
    pub fn wait_for_file(&self, part: &str) {
        let store = self.sandbox.store();
        let exists = || {
            let mut files = crate::store::files_below(&store).into_iter();
            files.any(|file| file.to_string_lossy().contains(part))
        };
        let deadline = Instant::now() + PATIENCE;
        while !exists() {
            assert!(Instant::now() < deadline, "no file with `{part}`");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Asserts that the tool ends by a signal in time, and that it has written no document and left
    /// nothing half-done.
    #[track_caller]
    pub fn assert_dies_by(mut self, number: i32) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            let in_time = Instant::now() < deadline;
            assert!(in_time, "the tool goes on for more than {LIMIT:?}");
            thread::sleep(Duration::from_millis(2));
        };
        let stderr = self.read("stderr");
        assert_eq!(status.signal(), Some(number), "{status}: {stderr}");
        assert_eq!(self.read("stdout"), "");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_sound(&self.sandbox.store());
    }

    /// Asserts that the tool ends by itself with status 0.
    #[track_caller]
    pub fn assert_succeeds(mut self) {
        let status: ExitStatus = self.child.wait().expect("a child");
        assert!(status.success(), "{status}: {}", self.read("stderr"));
        assert_sound(&self.sandbox.store());
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.sandbox.path().join(name)).expect("what the tool wrote")
    }
}

impl Drop for RunningTool {
    fn drop(&mut self) {
        // Either fails if the process has ended, as it has in a test that passes.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until a process that was killed has ended. Panics if it goes on.
#[track_caller]
pub fn wait_until_dead(pid: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A process that has ended may still wait for its parent to read its status.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        assert!(Instant::now() < deadline, "a process goes on: {stat}");
        thread::sleep(Duration::from_millis(2));
    }
}
