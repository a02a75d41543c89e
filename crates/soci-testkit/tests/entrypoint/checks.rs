//! The pipe with `soci-check` in it.

use std::process::Stdio;

use soci_testkit::process::Tool;

use super::{STAGES, assert_rejected, entrypoint, kill, sandbox, wait_for_stage};

/// With `--check` or its variable, `soci-check` runs between `soci-index` and `soci-push`.
#[test]
fn checks_the_indexes_if_that_is_asked_for() {
    let run = |arguments: &[&str], variable: &str| {
        let sandbox = sandbox();
        let tool = entrypoint(&sandbox).env("SOCI_CHECK", variable);
        let ended = tool.args(arguments).arg("app:v1").run().succeeds();
        assert_eq!(ended.text(), "{\"image\": \"app\"}\n");
        ended.stderr.contains("check: \n")
    };
    for value in ["true", "1", "Yes", " on\n"] {
        assert!(run(&[], value), "{value}");
        assert!(run(&["--summary", "report"], value), "{value}");
    }
    for value in ["", "false", "0", "No"] {
        assert!(!run(&[], value), "{value}");
        assert!(run(&["--check"], value), "{value}");
    }
    assert_rejected("SOCI_CHECK", "perhaps").says("found `perhaps`");
    let sandbox = sandbox();
    let refused = entrypoint(&sandbox).env("TRIED_check", "2");
    let ended = refused.args(["--check", "app:v1"]).run().ends_with(2);
    assert!(!ended.says("SOCI_SPAN_SIZE").stderr.contains("app:v1"));
}

/// The status is that of the last stage, unless one of the five was killed.
#[test]
fn exits_with_the_status_of_the_pipe_with_a_check() {
    let run = |statuses: &[(&str, i32)]| {
        let sandbox = sandbox();
        let tool = entrypoint(&sandbox).args(["--check", "app:v1"]);
        let set = |tool: Tool, (stage, status): &(&str, i32)| {
            tool.env(&format!("STATUS_{stage}"), status.to_string())
        };
        statuses.iter().fold(tool, set).run().code()
    };
    assert_eq!(run(&[("check", 1), ("push", 1)]), 1);
    assert_eq!(run(&[("index", 65), ("check", 65), ("push", 65)]), 65);
    assert_eq!(run(&[("index", 137), ("check", 66), ("push", 66)]), 137);
    assert_eq!(run(&[("check", 137), ("push", 66)]), 137);
    assert_eq!(run(&[("index", 141), ("check", 141), ("push", 75)]), 75);
}

/// G5: the stages of a pipe with a check end on a signal, as the others.
#[test]
fn forwards_a_signal_to_the_stages_of_a_check() {
    let stages = || STAGES.into_iter().chain(["check"]);
    let sandbox = sandbox();
    let tool = stages().fold(entrypoint(&sandbox), |tool, stage| {
        tool.env(&format!("SLEEP_{stage}"), "100")
    });
    let mut command = tool.args(["--check", "app:v1"]).into_command();
    let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
    for stage in stages() {
        wait_for_stage(&sandbox.store().with_extension(stage));
    }
    assert!(kill("TERM", running.id()).success());
    assert_eq!(running.wait().unwrap().code(), Some(143));
}
