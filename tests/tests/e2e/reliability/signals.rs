//! A signal while a tool draws on a terminal. Other signals are tested with each tool.

use std::time::Duration;

use soci_testkit::{
    faulty::{Fault, Faulty},
    image::{self, Image},
    process::Sandbox,
    workspace,
};

use crate::stages::{layer, planned};

const LONG: Duration = Duration::from_mins(5);

/// Runs a command with a terminal for stderr, sends it SIGTERM once it has drawn a bar, and exits
/// with the number of the signal that ended it. The output on the terminal goes to stdout.
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

/// G1: a signal clears the progress bars from the terminal.
#[test]
fn clears_the_progress_bars_on_a_signal() {
    let registry = registry();
    let sandbox = Sandbox::new();
    let plan = planned(&sandbox, &format!("{}/app:v1", registry.host()));
    registry.fault("GET", "*/blobs/*", Fault::stall_after(100_000, LONG));
    let input = sandbox.write("input", plan);
    let python = sandbox.program("python3").args(["-c", TERMINAL]);
    let python = python.arg(input).arg(workspace::bin("soci-index"));
    let ended = python.env("TERM", "xterm").run().ends_with(15);
    let (_, after) = ended
        .text()
        .rsplit_once("/s ")
        .expect("a bar with its rate");
    // The drawing is erased, and nothing is drawn again.
    let (_, after) = after
        .rsplit_once("\u{1b}[J")
        .expect("a drawing that is erased");
    assert_eq!(after.trim_matches(['\r', '\n']), "", "{:?}", ended.text());
}
