//! Options and signals, before anything is read.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use soci_testkit::process::Sandbox;

#[test]
fn rejects_unknown_options_and_bad_values() {
    let sandbox = Sandbox::new();
    let tool = || crate::soci_tool(&sandbox);
    let finished = tool().arg("--no-such-option").run().ends_with(2);
    assert!(finished.says("--no-such-option").stdout.is_empty());
    let finished = tool().args(["--log-format", "xml"]).run().ends_with(2);
    assert!(finished.says("json").says("text").stdout.is_empty());
    // A value from the environment is checked in the same way.
    let finished = tool().env("SOCI_LOG_FORMAT", "xml").run();
    finished.ends_with(2).says("xml");
    assert!(!sandbox.store().exists(), "a usage error makes no store");
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
