//! Signals to the entrypoint.

use std::process::{Command, Stdio};

use super::{STAGES, entrypoint, kill, sandbox, shell, wait_for_stage};

/// G5: a signal to the entrypoint ends every stage.
#[test]
fn forwards_a_signal_to_every_stage() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)] {
        let sandbox = sandbox();
        let tool = STAGES.iter().fold(entrypoint(&sandbox), |tool, stage| {
            tool.env(&format!("SLEEP_{stage}"), "100")
        });
        let mut command = tool.arg("app:v1").into_command();
        let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
        for stage in STAGES {
            wait_for_stage(&sandbox.store().with_extension(stage));
        }
        assert!(kill(signal, running.id()).success());
        assert_eq!(running.wait().unwrap().code(), Some(code));
    }
}

/// G5: a signal that was ignored when the entrypoint started, as below `nohup`, ends no stage.
#[test]
fn leaves_an_ignored_signal_ignored() {
    let sandbox = sandbox();
    let tool = STAGES.iter().fold(entrypoint(&sandbox), |tool, stage| {
        tool.env(&format!("SLEEP_{stage}"), "100")
    });
    let command = tool.arg("app:v1").into_command();
    let mut below_nohup = Command::new("/usr/bin/env");
    below_nohup
        .arg("--ignore-signal=HUP")
        .args(shell())
        .arg("app:v1")
        .current_dir(sandbox.path())
        .env_clear();
    let variables = command.get_envs();
    below_nohup.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    let mut running = below_nohup.stdout(Stdio::piped()).spawn().unwrap();
    for stage in STAGES {
        wait_for_stage(&sandbox.store().with_extension(stage));
    }
    assert!(kill("HUP", running.id()).success());
    assert!(kill("TERM", running.id()).success());
    assert_eq!(running.wait().unwrap().code(), Some(143));
}

/// G5: a stage that ignores signals is killed.
#[test]
fn kills_a_stage_that_ignores_signals() {
    let sandbox = sandbox();
    let tool = entrypoint(&sandbox).env("SLEEP_index", "100");
    let mut command = tool.env("DEAF_index", "1").arg("app:v1").into_command();
    let mut running = command.stdout(Stdio::piped()).spawn().unwrap();
    wait_for_stage(&sandbox.store().with_extension("index"));
    assert!(kill("TERM", running.id()).success());
    assert_eq!(running.wait().unwrap().code(), Some(143));
}
