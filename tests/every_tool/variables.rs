//! Environment variables: empty ones, booleans, and names that no tool knows.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use soci_testkit::process::Sandbox;

/// CI systems set a variable to the empty text if a user gives no value.
#[test]
fn empty_variables_count_as_not_set() {
    let sandbox = Sandbox::new();
    let libraries = [
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "AWS_REGION",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "SSL_CERT_FILE",
    ];
    for value in ["", " "] {
        let mut tool = crate::soci_tool(&sandbox);
        for name in soci_cli::known_variables() {
            tool = tool.env(name, value);
        }
        for name in libraries {
            tool = tool.env(name, "");
        }
        let finished = tool.env("SOCI_STORE", value).run().ends_with(66);
        assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    }
    assert!(!sandbox.store().exists());
}

#[test]
fn booleans_have_the_same_spellings_in_every_variable() {
    let sandbox = Sandbox::new();
    for (quiet, verbose) in [("false", "1"), ("no", "true"), ("0", "2"), ("TRUE", "off")] {
        let tool = crate::soci_tool(&sandbox).env("SOCI_QUIET", quiet);
        tool.env("SOCI_VERBOSE", verbose).run().ends_with(66);
    }
    for name in ["SOCI_QUIET", "SOCI_VERBOSE"] {
        let finished = crate::soci_tool(&sandbox).env(name, "maybe").run();
        let finished = finished.ends_with(2).says(&format!("error: {name}: "));
        finished.says("true or false");
    }
}

#[test]
fn warns_of_unknown_variables_with_the_nearest_name() {
    let sandbox = Sandbox::new();
    for (name, nearest) in [
        ("SOCI_DRYRUN", "SOCI_DRY_RUN"),
        ("SOCI_PLATFORMM", "SOCI_PLATFORM"),
        ("SOCI_STOREE", "SOCI_STORE"),
    ] {
        let tool = crate::soci_tool(&sandbox).env(name, "canary-value");
        let finished = tool.run().ends_with(66);
        let warning = format!("warning: unknown variable {name}; did you mean {nearest}?");
        let finished = finished.says(&warning);
        assert!(!finished.stderr.contains("value"), "{}", finished.stderr);
    }
    let finished = crate::soci_tool(&sandbox).env("SOCI_ZZZ", "1").run();
    finished.ends_with(66).says("unknown variable SOCI_ZZZ");
    // The variables of other tools, of tests and of Kubernetes are no mistakes.
    let mut tool = crate::soci_tool(&sandbox);
    for name in ["SOCI_TO", "SOCI_LAYERS", "SOCI_FORCE", "SOCI_ALL_PLATFORMS"] {
        tool = tool.env(name, "1");
    }
    let tool = tool.env("SOCI_SOAK_SEED", "1");
    let finished = tool.env("SOCI_INDEX_SERVICE_HOST", "10.0.0.1").run();
    let stderr = finished.ends_with(66).stderr;
    assert!(!stderr.contains("unknown variable"), "{stderr}");
}

/// Starts the tool with an unknown variable, and returns it when it has warned of that.
fn start_and_await_warning(sandbox: &Sandbox, name: &str) -> Child {
    let tool = crate::soci_tool(sandbox)
        .env(name, "1")
        .env("AWS_PROFILE", "");
    let mut command = tool.into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the tool");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains(name) {
        line.clear();
        assert_ne!(
            stderr.read_line(&mut line).expect("a line"),
            0,
            "no warning"
        );
    }
    child
}

/// Tools with the same parent, such as those of a pipe, warn once.
#[test]
fn only_one_tool_of_a_pipe_warns() {
    let sandbox = Sandbox::new();
    let mut first = start_and_await_warning(&sandbox, "SOCI_ONLY_ONCE");
    let second = crate::soci_tool(&sandbox).env("SOCI_ONLY_ONCE", "1").run();
    let stderr = second.ends_with(66).stderr;
    assert!(!stderr.contains("SOCI_ONLY_ONCE"), "{stderr}");
    drop(first.stdin.take());
    assert_eq!(first.wait().expect("its end").code(), Some(66));
    // The next pipe is warned again.
    let third = crate::soci_tool(&sandbox).env("SOCI_ONLY_ONCE", "1").run();
    third.ends_with(66).says("SOCI_ONLY_ONCE");
}

/// The libraries for AWS and proxies, which read the environment by themselves, see no empty
/// variable.
#[test]
fn libraries_see_no_empty_variables() {
    let sandbox = Sandbox::new();
    let mut tool = start_and_await_warning(&sandbox, "SOCI_STARTED_AGAIN");
    let environment = fs::read(format!("/proc/{}/environ", tool.id())).expect("an environment");
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("SOCI_STARTED_AGAIN"), "{environment}");
    assert!(!environment.contains("AWS_PROFILE"), "{environment}");
    drop(tool.stdin.take());
    assert_eq!(tool.wait().expect("its end").code(), Some(66));
}
