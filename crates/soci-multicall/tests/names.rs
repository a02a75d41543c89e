//! Calls the binary by the names of the tools.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::symlink,
    process::Stdio,
};

use soci_testkit::{
    process::{Sandbox, Tool},
    workspace::TOOLS,
};

const BINARY: &str = env!("CARGO_BIN_EXE_soci-multicall");

/// Returns a call of the binary through a link with this name.
fn call(sandbox: &Sandbox, name: &str) -> Tool {
    let link = sandbox.path().join(name);
    symlink(BINARY, &link).expect("a new link");
    sandbox.program(link)
}

#[test]
fn is_the_tool_by_whose_name_it_is_called() {
    let sandbox = Sandbox::new();
    for tool in TOOLS {
        let version = call(&sandbox, tool).arg("--version").run().succeeds();
        let expected = format!("{tool} {}", env!("CARGO_PKG_VERSION"));
        assert!(version.text().starts_with(&expected), "{}", version.text());
    }
}

#[test]
fn names_the_tools_if_it_is_called_by_another_name() {
    let sandbox = Sandbox::new();
    let ended = call(&sandbox, "soci").arg("soci-pull").run();
    ended
        .ends_with(2)
        .says("soci-multicall: error: ")
        .says(&TOOLS.join(", "));
}

/// The libraries see no empty variables, as in the separate tools.
#[test]
fn starts_again_without_empty_variables() {
    let sandbox = Sandbox::new();
    let tool = call(&sandbox, "soci-pull").env("AWS_PROFILE", "");
    let mut command = tool.env("SOCI_STARTED_AGAIN", "1").into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the tool");
    let mut warning = String::new();
    let stderr = child.stderr.take().expect("a pipe");
    let read = BufReader::new(stderr).read_line(&mut warning);
    assert!(
        read.is_ok() && warning.contains("SOCI_STARTED_AGAIN"),
        "{warning}"
    );
    let environment = fs::read(format!("/proc/{}/environ", child.id())).expect("an environment");
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("AWS_PROFILE"), "{environment}");
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("its end").code(), Some(66));
}
