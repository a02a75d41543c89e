//! A child process that serves on a loopback port, for as long as its value lives.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process;

/// How long a server may take until it answers; a busy machine is slow to start one.
const READY: Duration = Duration::from_mins(1);
/// How often a server is started again whose port was taken by another process before it could take it.
const STARTS: usize = 5;

/// The process, its port, and the directory that goes when it ends.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    directory: TempDir,
    port: u16,
}

impl Server {
    /// Starts what `command` makes of a directory and a port (a free one if `port` is 0), until `ready` holds.
    pub(crate) fn start(
        port: u16,
        command: impl Fn(&Path, u16) -> Command,
        ready: impl Fn(u16) -> bool,
    ) -> Self {
        let mut said = String::new();
        for _ in 0..STARTS {
            let directory = TempDir::with_prefix("soci-server-").expect("a temporary directory");
            let port = if port == 0 { free_port() } else { port };
            let child = spawn(command(directory.path(), port), directory.path());
            let mut server = Self {
                child,
                directory,
                port,
            };
            if server.comes_up(&ready) {
                return server;
            }
            said = server.log();
        }
        panic!("a server does not start; it wrote:\n{said}");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns what the server has written to its standard output and error.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(log_file(self.directory())).unwrap_or_default())
            .into_owned()
    }

    fn comes_up(&mut self, ready: impl Fn(u16) -> bool) -> bool {
        let deadline = Instant::now() + READY;
        while !ready(self.port) {
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
                "a server does not answer; it wrote:\n{}",
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
        reason = "libtest shows it with the test that fails, and hides it otherwise"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server on port {} wrote:\n{}", self.port, self.log());
        }
        // Either may fail only where the process is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the path of a server that `scripts/setup.sh` makes where it is not there.
pub(crate) fn from_setup(name: &str) -> PathBuf {
    let target = process::profile_directory().join("..");
    let mut setup = Command::new(process::workspace().join("scripts/setup.sh"));
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
