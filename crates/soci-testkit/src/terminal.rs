//! Tools at a terminal.
//!
//! `script` of util-linux makes the terminal, because Debian always has it.

use std::ffi::OsStr;

use crate::process::{Finished, Sandbox, Tool};

/// Runs a tool whose stdout and stderr are a terminal, except those that `redirection` sends
/// elsewhere, as in a shell: `2>errors` or `| cat`. The tool reads `stdin` from a file.
///
/// What the terminal shows is the `stdout` of the result, with plain line ends.
#[track_caller]
pub fn run(sandbox: &Sandbox, tool: Tool, stdin: &[u8], redirection: &str) -> Finished {
    sandbox.write("terminal-input", stdin);
    let tool = tool.into_command();
    let mut line = quote(tool.get_program());
    for argument in tool.get_args() {
        line = format!("{line} {}", quote(argument));
    }
    let line = format!("{line} < terminal-input {redirection}");
    let script = sandbox.program("script");
    let mut script = script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for (name, value) in tool.get_envs() {
        let name = name.to_str().expect("the name of a variable");
        script = match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let script = script.env("SHELL", "/bin/sh").env("TERM", "xterm");
    let mut finished = script.run();
    finished.stdout = finished.text().replace("\r\n", "\n").into_bytes();
    finished
}

/// Quotes a word for the shell.
fn quote(word: &OsStr) -> String {
    let word = word.to_str().expect("UTF-8").replace('\'', r"'\''");
    format!("'{word}'")
}
