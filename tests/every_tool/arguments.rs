//! Options and signals, before anything is read.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use soci_testkit::process::{Finished, Sandbox};

#[test]
fn rejects_unknown_options_and_bad_values() {
    let sandbox = Sandbox::new();
    let tool = || crate::soci_tool(&sandbox);
    let finished = tool().arg("--no-such-option").run().ends_with(2);
    assert!(finished.says("--no-such-option").stdout.is_empty());
    let finished = tool().args(["--log-format", "xml"]).run().ends_with(2);
    let finished =
        finished.says("error: --log-format: invalid value `xml`: expected one of json, text");
    assert!(finished.stdout.is_empty());
    // A value from the environment is checked in the same way.
    let finished = tool().env("SOCI_LOG_FORMAT", "xml").run().ends_with(2);
    finished.says("error: SOCI_LOG_FORMAT: invalid value `xml`: expected one of json, text");
    assert!(!sandbox.store().exists(), "a usage error makes no store");
}

/// Returns the one line that a tool has written to stderr, which must be an error in JSON.
#[track_caller]
fn json_error(finished: &Finished) -> Value {
    let lines: Vec<&str> = finished.stderr.lines().collect();
    let [line] = lines[..] else {
        panic!("not one line: {}", finished.stderr)
    };
    let error: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(error["level"], "error", "{line}");
    assert_eq!(error["tool"], finished.name.as_str(), "{line}");
    assert_eq!(error["exit"], 2, "{line}");
    error
}

#[test]
fn labels_usage_errors_and_points_to_the_help() {
    let sandbox = Sandbox::new();
    let tool = || crate::soci_tool(&sandbox);
    for (tool, problem) in [
        (tool().arg("--no-such-option"), "unknown option"),
        (tool().args(["--log-format", "xml"]), "--log-format: "),
        (tool().args(["--log-format"]), "--log-format: "),
        (tool().args(["-q", "-v"]), "cannot be used with"),
        (
            tool().env("SOCI_QUIET", "1").env("SOCI_VERBOSE", "1"),
            "SOCI_VERBOSE",
        ),
        (tool().env("SOCI_LOG_FORMAT", "xml"), "SOCI_LOG_FORMAT: "),
    ] {
        let finished = tool.run().ends_with(2).says(problem);
        let name = finished.name.clone();
        let begins = format!("{name}: error: ");
        assert!(finished.stderr.starts_with(&begins), "{}", finished.stderr);
        let ends = format!("see {name} --help\n");
        assert!(finished.stderr.ends_with(&ends), "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    }
}

/// An error in a variable is reported under the variable's name, unless the option overrides it.
#[test]
fn names_the_variable_whose_value_is_wrong() {
    let sandbox = Sandbox::new();
    let tool = || crate::soci_tool(&sandbox).env("SOCI_LOG_FORMAT", "json");
    let finished = tool().env("SOCI_QUIET", "perhaps").run().ends_with(2);
    let error = json_error(&finished);
    assert_eq!(error["variable"], "SOCI_QUIET", "{error}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("SOCI_QUIET: "), "{message}");
    assert!(message.contains("`perhaps`"), "{message}");
    let tool = tool().env("SOCI_LOG_FORMAT", "xml");
    let finished = tool.args(["--log-format", "yaml"]).run();
    finished.ends_with(2).says("error: --log-format: ");
}

#[test]
fn prints_usage_errors_as_json() {
    let sandbox = Sandbox::new();
    let tool = || crate::soci_tool(&sandbox).arg("--no-such-option");
    for tool in [
        tool().env("SOCI_LOG_FORMAT", "json"),
        tool().arg("--log-format=json"),
        tool().arg("--log-format=JSON"),
        tool()
            .args(["--log-format", "json"])
            .env("SOCI_LOG_FORMAT", "text"),
    ] {
        let error = json_error(&tool.run().ends_with(2));
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains("--no-such-option"), "{message}");
        assert!(error.get("variable").is_none(), "{error}");
    }
}

#[test]
fn prints_help_and_version() {
    let sandbox = Sandbox::new();
    let help = crate::soci_tool(&sandbox).arg("--help").run().succeeds();
    assert!(help.text().contains("Usage: "), "{}", help.text());
    assert!(help.text().contains("Examples:"), "{}", help.text());
    let version = crate::soci_tool(&sandbox).arg("--version").run().succeeds();
    assert!(version.text().starts_with("soci-"), "{}", version.text());
}

/// `-h` shows the main options and examples on one screen of a terminal.
#[test]
fn short_help_fits_a_screen() {
    let sandbox = Sandbox::new();
    let help = crate::soci_tool(&sandbox).arg("-h").run().succeeds();
    let lines: Vec<&str> = help.text().lines().collect();
    assert!(lines.len() <= 24, "{} lines:\n{}", lines.len(), help.text());
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for text in ["Usage: ", "Examples:", "--help"] {
        assert!(help.text().contains(text), "{}", help.text());
    }
    let long = crate::soci_tool(&sandbox).arg("--help").run().succeeds();
    for line in long.text().lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(
        long.text().contains("env: SOCI_LOG_FORMAT"),
        "{}",
        long.text()
    );
}

/// H8: help that cannot be printed is an error.
#[test]
fn fails_when_help_cannot_be_printed() {
    let sandbox = Sandbox::new();
    for option in ["--help", "--version"] {
        let mut command = crate::soci_tool(&sandbox).arg(option).into_command();
        command.stdout(File::create("/dev/full").expect("/dev/full"));
        let status = command.stderr(Stdio::null()).status().expect("the tool");
        assert_eq!(status.code(), Some(74), "{option}");
    }
}

/// G1: a tool that waits for its input dies by the signal.
#[test]
fn dies_by_a_signal_while_it_waits_for_input() {
    for (signal, number) in [("HUP", 1), ("INT", 2), ("TERM", 15)] {
        let sandbox = Sandbox::new();
        let command = crate::soci_tool(&sandbox).arg("-q").into_command();
        let program = command.get_program().to_owned();
        let name = Path::new(&program)
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        // A test's process may ignore signals, for example below `nohup`; its children then would
        // as well.
        let shell = sandbox.program("env").arg("--default-signal").arg(program);
        let mut command = shell.arg("-q").into_command();
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the tool");
        let process = child.id().to_string();
        let deadline = Instant::now() + Duration::from_secs(30);
        let running = || fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        while running().trim_end() != name {
            assert!(Instant::now() < deadline, "{name} does not start");
            thread::sleep(Duration::from_millis(1));
        }
        let status = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(status.expect("kill").success());
        let status = child.wait().expect("its end");
        assert_eq!(status.signal(), Some(number), "{name}: {status}");
    }
}
