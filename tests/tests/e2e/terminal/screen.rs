//! A terminal of a given size, which `tmux` emulates.

use std::{
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use soci_testkit::process::Sandbox;

/// How long a test waits for a change of the screen.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the shell prints after the last command, before its exit status.
const END: &str = "ended with";

/// A terminal in which a shell runs a script. It is closed when this is dropped.
pub(crate) struct Screen {
    /// The socket of the `tmux` server.
    socket: String,
}

impl Screen {
    /// Opens a terminal of `columns` and `rows`, and runs a script of `sh` in the sandbox's
    /// directory and with its home and store. The tools are in the script's path.
    pub(crate) fn run(sandbox: &Sandbox, (columns, rows): (u16, u16), script: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let screen = Self {
            socket: format!("soci-test-{}-{number}", std::process::id()),
        };
        let bin = soci_testkit::workspace::bin("soci-pull");
        let bin = bin.parent().expect("a directory").display();
        // The trap keeps the shell alive when a signal of the terminal ends the tools.
        let script = format!(
            "trap : INT\nexport PATH={bin}:$PATH HOME={home} SOCI_STORE={store} SOCI_MIN_LAYER_SIZE=0\n\
             export SOCI_RETRY_WAIT=0.05\ncd {directory}\n{script}\necho \"{END} $?\"\nread -r _\n",
            home = sandbox.home().display(),
            store = sandbox.store().display(),
            directory = sandbox.path().display(),
        );
        let file = sandbox.write("script.sh", script);
        let command = format!("exec sh {}", file.display());
        let (columns, rows) = (columns.to_string(), rows.to_string());
        screen.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows, &command]);
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let output = Command::new("tmux")
            .args(["-L", &self.socket, "-f", "/dev/null"])
            .args(arguments)
            .output()
            .expect("tmux");
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        output
    }

    /// Returns the lines on the screen, without empty ones.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.capture(&["capture-pane", "-p"])
    }

    /// Returns the lines on the screen and above it, where a line that was wrapped is one.
    pub(crate) fn whole_lines(&self) -> Vec<String> {
        self.capture(&["capture-pane", "-p", "-J", "-S", "-1000"])
    }

    fn capture(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.tmux(arguments);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// Types keys, such as `C-c`.
    pub(crate) fn type_keys(&self, keys: &str) {
        self.tmux(&["send-keys", keys]);
    }

    /// Waits until the screen fulfils a condition, and returns its lines. Calls `check` with every
    /// screen that it sees.
    #[track_caller]
    pub(crate) fn wait(
        &self,
        condition: impl Fn(&[String]) -> bool,
        check: impl Fn(&[String]),
    ) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines();
            check(&lines);
            if condition(&lines) {
                return lines;
            }
            assert!(
                Instant::now() < deadline,
                "the screen stays:\n{}",
                lines.join("\n")
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the script has ended, and returns all lines that it left, the last one with its
    /// exit status.
    #[track_caller]
    pub(crate) fn wait_for_end(&self, check: impl Fn(&[String])) -> Vec<String> {
        self.wait(
            |lines| lines.iter().any(|line| line.starts_with(END)),
            check,
        );
        self.whole_lines()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Fails if the server has ended by itself.
        let kill = Command::new("tmux")
            .args(["-L", &self.socket, "kill-server"])
            .output();
        drop(kill);
    }
}
