//! Server processes on loopback ports.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::workspace;

/// How long a server may take until it answers. A busy machine is slow.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How many times a server is started, because another process may take the free port that was
/// chosen for it.
const MAX_STARTS: usize = 5;

/// A server process, with its port and a directory. Both end when the value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    directory: TempDir,
    port: u16,
}

impl Server {
    /// Starts the command that `command` returns for a directory and a port, and waits until
    /// `is_ready` holds.
    ///
    /// The port is `port`, or a free one if that is 0.
    pub(crate) fn start(
        port: u16,
        command: impl Fn(&Path, u16) -> Command,
        is_ready: impl Fn(u16) -> bool,
    ) -> Self {
        let mut log = String::new();
        for _ in 0..MAX_STARTS {
            let directory = TempDir::with_prefix("soci-server-").expect("a temporary directory");
            let port = if port == 0 { free_port() } else { port };
            let child = spawn(command(directory.path(), port), directory.path());
            let mut server = Self {
                child,
                directory,
                port,
            };
            if server.wait_until_ready(&is_ready) {
                return server;
            }
            log = server.log();
        }
        panic!("a server does not start; its log:\n{log}");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns what the server has written to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log_file(self.directory())).unwrap_or_default())
            .into_owned()
    }

    /// Returns whether the server became ready. Returns `false` if its process has exited.
    fn wait_until_ready(&mut self, is_ready: impl Fn(u16) -> bool) -> bool {
        let deadline = Instant::now() + START_LIMIT;
        while !is_ready(self.port) {
            if self
                .child
                .try_wait()
                .expect("a child that was not waited for")
                .is_some()
            {
                return false;
            }
            assert!(
                Instant::now() < deadline,
                "a server does not answer; its log:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Server {
    #[expect(
        clippy::print_stderr,
        reason = "libtest captures it, and shows it if the test fails"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("log of the server on port {}:\n{}", self.port, self.log());
        }
        // Both fail only if the process has exited already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the path of a server that `scripts/setup.sh` builds if it does not exist.
pub(crate) fn path_from_setup(name: &str) -> PathBuf {
    let target = workspace::target_directory();
    let mut setup = Command::new(workspace::root().join("scripts/setup.sh"));
    let output = setup
        .arg(name)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("bash");
    assert!(
        output.status.success(),
        "setup.sh {name}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim_end())
}

fn spawn(mut command: Command, directory: &Path) -> Child {
    let log = File::create(log_file(directory)).expect("a new file");
    let also = log.try_clone().expect("a second descriptor");
    let child = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(also)
        .spawn();
    child.unwrap_or_else(|error| {
        panic!(
            "{}: {error}: run scripts/setup.sh test",
            command.get_program().display()
        )
    })
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("log")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .local_addr()
        .expect("the port that was bound")
        .port()
}
