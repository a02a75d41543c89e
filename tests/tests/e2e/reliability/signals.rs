//! Signals, at moments at which something would stay behind.

use std::{
    fs::File,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use soci_testkit::{
    faulty::{Fault, Faulty, Rule},
    image::{self, Image},
    process::{Sandbox, Tool, bin},
};

use crate::stages::{assert_sound, files_below, indexed, layer, planned};

const LONG: Duration = Duration::from_mins(5);

/// What a user waits for at the most.
const LIMIT: Duration = Duration::from_secs(2);

const SIGNALS: [(&str, i32); 3] = [("HUP", 1), ("INT", 2), ("TERM", 15)];

/// Runs a command with a terminal for stderr, ends it by SIGTERM once it has drawn a bar, and ends with the signal's number;
/// stdout is what was on the terminal.
const TERMINAL: &str = "import fcntl, os, pty, signal, struct, sys, termios
process, terminal = pty.fork()
if process == 0:
    os.dup2(os.open(sys.argv[1], os.O_RDONLY), 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
seen = b''
while b'/s ' not in seen:
    seen += os.read(terminal, 4096)
os.kill(process, signal.SIGTERM)
try:
    while True:
        seen += os.read(terminal, 4096)
except OSError:
    pass
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(os.WTERMSIG(os.waitpid(process, 0)[1]))";

/// A registry with an image of one layer.
fn registry() -> Faulty {
    let registry = Faulty::start();
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(
        &folder,
        &[Image::new("linux/amd64").layer(layer(1, 400_000))],
    );
    registry.push(&folder, "app:v1");
    registry
}

/// Returns one of the tools with signals as a shell gives them: below `nohup`, say, a test's process ignores some, and
/// whatever it starts would as well.
fn hearing(sandbox: &Sandbox, name: &str) -> Tool {
    let tool = sandbox
        .program("env")
        .arg("--default-signal")
        .arg(bin(name));
    tool.env("SOCI_MIN_LAYER_SIZE", "0")
}

/// A tool that runs, with what it writes in files.
struct Running {
    child: Child,
    sandbox: Sandbox,
}

impl Running {
    fn start(sandbox: Sandbox, tool: Tool, stdin: &[u8]) -> Self {
        let input = sandbox.write("stdin", stdin);
        let output = |name| File::create(sandbox.path().join(name)).expect("a new file");
        let mut command = tool.into_command();
        command
            .stdin(File::open(input).expect("the input"))
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        let child = command.spawn().expect("a tool");
        Self { child, sandbox }
    }

    fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &process]).status();
        assert!(status.expect("kill").success());
    }

    /// Asserts that the tool dies by a signal in time, and that it has written and left nothing.
    #[track_caller]
    fn dies_by(mut self, number: i32) {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it goes on for more than {LIMIT:?}"
            );
            thread::sleep(Duration::from_millis(2));
        };
        let read = |name: &str| {
            std::fs::read_to_string(self.sandbox.path().join(name)).expect("what it wrote")
        };
        assert_eq!(
            status.signal(),
            Some(number),
            "{status}: {}",
            read("stderr")
        );
        assert_eq!(read("stdout"), "");
        assert!(!read("stderr").contains("panicked"), "{}", read("stderr"));
        assert_sound(&self.sandbox.store());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a test that fails leaves it running.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn g1_a_signal_in_the_middle_of_a_layer_leaves_nothing_behind() {
    for (name, number) in SIGNALS {
        let registry = registry();
        let reference = format!("{}/app:v1", registry.host());
        let sandbox = Sandbox::new();
        let plan = planned(&sandbox, &reference);
        registry.fault("GET", "*/blobs/*", Fault::stall_after(100_000, LONG));
        let tool = hearing(&sandbox, "soci-index");
        let running = Running::start(sandbox, tool, &plan);
        registry.wait_until(|entries| entries.iter().any(|entry| entry.sent == 100_000));
        running.signal(name);
        running.dies_by(number);
    }
}

#[test]
fn g1_a_signal_removes_the_layer_that_is_being_stored() {
    for (name, number) in SIGNALS {
        let registry = registry();
        let reference = format!("{}/app:v1", registry.host());
        let sandbox = Sandbox::new();
        let plan = planned(&sandbox, &reference);
        registry.fault("GET", "*/blobs/*", Fault::stall_after(100_000, LONG));
        let tool = hearing(&sandbox, "soci-pull").arg("--layers");
        let store = sandbox.store();
        let running = Running::start(sandbox, tool, &plan);
        let unfinished = || {
            let mut files = files_below(&store).into_iter();
            files.any(|file| file.to_string_lossy().contains(".unfinished-"))
        };
        registry.wait_until(|entries| entries.iter().any(|entry| entry.sent == 100_000));
        let deadline = Instant::now() + Duration::from_secs(30);
        while !unfinished() {
            assert!(Instant::now() < deadline, "no file is begun");
            thread::sleep(Duration::from_millis(2));
        }
        running.signal(name);
        running.dies_by(number);
    }
}

/// Returns a push that waits for the reply to its one upload, and the registry that does not give it.
fn in_an_upload() -> (Faulty, Running) {
    let registry = registry();
    let sandbox = Sandbox::new();
    let line = indexed(&sandbox, &format!("{}/app:v1", registry.host()));
    registry.fault("PUT", "*/blobs/uploads/*", Fault::stall_head(LONG));
    let tool = hearing(&sandbox, "soci-push").args(["--max-concurrent-uploads", "1"]);
    let running = Running::start(sandbox, tool, &line);
    registry.wait_until(|entries| entries.iter().any(|entry| entry.request.method == "PUT"));
    (registry, running)
}

#[test]
fn g1_a_signal_gives_an_open_upload_back() {
    for (name, number) in SIGNALS {
        let (registry, running) = in_an_upload();
        running.signal(name);
        running.dies_by(number);
        assert_eq!(registry.count("DELETE", "*/blobs/uploads/*"), 1);
        assert_eq!(registry.count("PUT", "*/manifests/*"), 0);
    }
}

#[test]
fn g1_a_signal_that_comes_twice_at_once_is_one_signal() {
    for (name, number) in SIGNALS {
        let (registry, running) = in_an_upload();
        // As `timeout` does it: to its child, and to the group of its child.
        let process = running.child.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &process, &process]);
        assert!(kill.status().expect("kill").success());
        running.dies_by(number);
        assert_eq!(registry.count("DELETE", "*/blobs/uploads/*"), 1);
    }
}

#[test]
fn g1_a_signal_takes_the_bars_off_the_terminal() {
    let registry = registry();
    let sandbox = Sandbox::new();
    let plan = planned(&sandbox, &format!("{}/app:v1", registry.host()));
    registry.fault("GET", "*/blobs/*", Fault::stall_after(100_000, LONG));
    let input = sandbox.write("input", plan);
    let python = sandbox.program("python3").args(["-c", TERMINAL]);
    let python = python.arg(input).arg(bin("soci-index"));
    let ended = python.env("TERM", "xterm").run().ends_with(15);
    let (_, after) = ended
        .text()
        .rsplit_once("/s ")
        .expect("a bar with its rate");
    // The line is cleared, and nothing is drawn upon it again.
    let (_, after) = after
        .rsplit_once("\u{1b}[2K")
        .expect("a line that is cleared");
    assert_eq!(after.trim_matches(['\r', '\n']), "", "{:?}", ended.text());
}

#[test]
fn g2_a_second_signal_ends_a_tool_at_once() {
    let registry = registry();
    let sandbox = Sandbox::new();
    let line = indexed(&sandbox, &format!("{}/app:v1", registry.host()));
    registry.fault("PUT|DELETE", "*/blobs/uploads/*", Fault::stall_head(LONG));
    let tool = hearing(&sandbox, "soci-push");
    let running = Running::start(sandbox, tool, &line);
    let asked = |method: &'static str| {
        registry
            .wait_until(move |entries| entries.iter().any(|entry| entry.request.method == method));
    };
    asked("PUT");
    running.signal("TERM");
    // It waits for an answer to this one, for a second at the most.
    asked("DELETE");
    let second = Instant::now();
    running.signal("INT");
    running.dies_by(2);
    assert!(second.elapsed() < Duration::from_millis(700));
}

/// Returns the name of the program that a process runs.
fn read_name(process: &str) -> String {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm"));
    name.unwrap_or_default().trim_end().to_owned()
}

#[test]
fn g1_a_tool_that_waits_for_its_input_dies_by_the_signal() {
    for name in ["soci-pull", "soci-plan", "soci-index", "soci-push"] {
        for (signal, number) in SIGNALS {
            let sandbox = Sandbox::new();
            let mut command = hearing(&sandbox, name).arg("-q").into_command();
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("a tool");
            let process = child.id().to_string();
            let deadline = Instant::now() + Duration::from_secs(30);
            while read_name(&process) != name {
                assert!(Instant::now() < deadline, "{name} does not start");
                thread::sleep(Duration::from_millis(1));
            }
            let status = Command::new("kill").args(["-s", signal, &process]).status();
            assert!(status.expect("kill").success());
            let status = child.wait().expect("its end");
            assert_eq!(status.signal(), Some(number), "{name}: {status}");
        }
    }
}

#[test]
fn g6_a_tool_that_was_stopped_for_longer_than_it_waits_goes_on() {
    let registry = registry();
    let sandbox = Sandbox::new();
    let plan = planned(&sandbox, &format!("{}/app:v1", registry.host()));
    registry.rule(
        Rule::on(
            "GET",
            "*/blobs/*",
            Fault::drip(20_000, Duration::from_millis(20)),
        )
        .once(),
    );
    let tool = hearing(&sandbox, "soci-index").env("SOCI_IDLE_TIMEOUT", "0.2");
    let mut running = Running::start(sandbox, tool.env("SOCI_RETRY_WAIT", "0.01"), &plan);
    registry.wait_until(|entries| entries.iter().any(|entry| entry.sent >= 100_000));
    running.signal("STOP");
    // The time that passes is what is tested.
    thread::sleep(Duration::from_millis(600));
    running.signal("CONT");
    let status = running.child.wait().expect("its end");
    assert!(status.success(), "{status}");
    assert_sound(&running.sandbox.store());
}

#[test]
fn g1_a_signal_that_the_parent_ignores_stays_ignored() {
    let registry = registry();
    let reference = format!("{}/app:v1", registry.host());
    let sandbox = Sandbox::new();
    registry.fault(
        "GET",
        "*/manifests/*",
        Fault::stall_head(Duration::from_millis(300)),
    );
    let pull = bin("soci-pull");
    let script = format!("trap '' HUP; exec '{}' {reference}", pull.display());
    let tool = sandbox.program("sh").args(["-c", &script]);
    let mut running = Running::start(sandbox, tool, b"");
    registry.wait_until(|entries| !entries.is_empty());
    running.signal("HUP");
    let status = running.child.wait().expect("its end");
    assert!(status.success(), "{status}");
}
