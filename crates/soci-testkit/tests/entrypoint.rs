//! Runs the container's entrypoint with scripts in place of the tools.
//!
//! The end-to-end tests include this file, and run the entrypoint in the shell of busybox, which is
//! that of the container.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use soci_testkit::{
    process::{Finished, Sandbox, Tool},
    workspace,
};

#[path = "entrypoint/checks.rs"]
mod checks;
#[path = "entrypoint/signals.rs"]
mod signals;

const STAGES: [&str; 4] = ["pull", "plan", "index", "push"];

/// A script in place of the tool `soci-STAGE`. It prints its arguments to stderr, and copies
/// documents.
///
/// These variables change what it does:
///
/// - `STATUS_STAGE` is its exit status, and `SLEEP_STAGE` makes it sleep for that many seconds.
/// - `DEAF_STAGE` makes it ignore signals.
/// - `TRIED_STAGE` is its exit status when the entrypoint only checks the options, with `/dev/null`
///   as stdin and stdout.
///
/// It replaces itself by `sleep`: a shell that waits for a child leaves an INT to the child alone.
const TOOL_SCRIPT: &str = r#"#!/bin/bash
name=${0##*soci-}
echo "$name: $*" >&2
sleep="SLEEP_$name" status="STATUS_$name" tried="TRIED_$name" deaf="DEAF_$name"
if [ /dev/stdin -ef /dev/null ] && [ /dev/stdout -ef /dev/null ]; then
    echo "soci-$name: error: SOCI_SPAN_SIZE: invalid value" >&2
    exit "${!tried:-66}"
fi
[ -z "${!deaf}" ] || trap '' TERM INT
: >"$SOCI_STORE.$name"
[ -z "${!sleep}" ] || exec sleep "${!sleep}"
if [ "$name" = pull ]; then echo '{"image": "app"}'; else cat; fi
exit "${!status:-0}"
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for stage in STAGES.into_iter().chain(["check", "report"]) {
        let path = sandbox.write(&format!("bin/soci-{stage}"), TOOL_SCRIPT);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a new file");
    }
    sandbox
}

/// Returns whether the shell is that of busybox, with the programs of busybox only.
fn in_busybox() -> bool {
    env!("CARGO_PKG_NAME") == "soci-e2e"
}

/// Returns the shell with the entrypoint as its argument.
fn shell() -> Vec<OsString> {
    let script = workspace::root().join("scripts/entrypoint.sh");
    let shell: &[&str] = if in_busybox() {
        &["/bin/busybox", "ash"]
    } else {
        &["/bin/sh"]
    };
    let shell = shell.iter().map(OsString::from);
    shell.chain([script.into_os_string()]).collect()
}

/// Returns the directories in which the shell looks for programs.
fn search_path(sandbox: &Sandbox) -> OsString {
    let bin = sandbox.path().join("bin");
    let mut path = bin.clone().into_os_string();
    if in_busybox() {
        let install = sandbox.program("/bin/busybox").args(["--install", "-s"]);
        install.arg(bin).run().succeeds();
    } else {
        path.push(":");
        path.push(env::var_os("PATH").expect("a search path"));
    }
    path
}

fn entrypoint(sandbox: &Sandbox) -> Tool {
    sandbox
        // A shell that runs the tests in the background makes them ignore INT and QUIT. A
        // container's first process does not.
        .program("/usr/bin/env")
        .arg("--default-signal=HUP,INT,QUIT,TERM")
        .args(shell())
        .env("PATH", search_path(sandbox))
}

/// Runs the entrypoint with an invalid value of a variable, and asserts that no request is made.
fn assert_rejected(name: &str, value: &str) -> Finished {
    let ended = entrypoint(&sandbox())
        .env(name, value)
        .arg("app:v1")
        .run()
        .ends_with(2)
        .says(&format!("soci: error: {name}: "));
    assert!(
        !ended.stderr.contains("pull:"),
        "a request was made: {}",
        ended.stderr
    );
    ended
}

#[test]
fn passes_documents_through_the_four_tools() {
    let ended = entrypoint(&sandbox())
        .args(["app:v1", "app:v2"])
        .run()
        .succeeds()
        .says("pull: -- app:v1 app:v2\n");
    assert_eq!(ended.text(), "{\"image\": \"app\"}\n");
}

/// Runs the entrypoint with an exit status for each stage.
fn run_with_statuses(statuses: [i32; 4]) -> Finished {
    let sandbox = sandbox();
    let tool = entrypoint(&sandbox).arg("app:v1");
    let stages = STAGES.iter().zip(statuses);
    let tool = stages.fold(tool, |tool, (stage, status)| {
        tool.env(&format!("STATUS_{stage}"), status.to_string())
    });
    tool.run()
}

/// H9: the exit status is that of the last stage, to which the others pass on their failures.
///
/// The stages before one that fails as a whole may end with 141, and each may fail with another
/// image first.
#[test]
fn exits_with_the_status_of_the_last_stage() {
    for code in [0, 2, 65, 66, 69, 70, 73, 74, 75, 76, 77, 78, 80, 81, 141] {
        run_with_statuses([0, 0, 0, code]).ends_with(code);
        run_with_statuses([code; 4]).ends_with(code);
        run_with_statuses([141, 141, code, code]).ends_with(code);
        run_with_statuses([80, 81, code, code]).ends_with(code);
    }
}

/// H9: a stage that was killed can tell the next one nothing, so that its own status counts.
#[test]
fn exits_with_the_status_of_a_stage_that_was_killed() {
    for code in [134, 137, 139, 143] {
        for rest in [0, 65, 66, 80] {
            for killed in [[code, rest, rest, rest], [141, code, rest, rest]] {
                assert_eq!(run_with_statuses(killed).code(), code, "{killed:?}");
            }
            run_with_statuses([80, 80, 141, code]).ends_with(code);
        }
    }
}

#[test]
fn turns_variables_into_options() {
    let run = |name, value| {
        entrypoint(&sandbox())
            .env(name, value)
            .arg("app:v1")
            .run()
            .succeeds()
    };
    run("MIN_LAYER_SIZE", "").says("plan: \n");
    run("MIN_LAYER_SIZE", "0").says("plan: --min-layer-size 0MiB\n");
    run("MIN_LAYER_SIZE", "010").says("plan: --min-layer-size 10MiB\n");
    run("MIN_LAYER_SIZE", " 10\n").says("plan: --min-layer-size 10MiB\n");
    for size in ["10MB", "10MiB", "10m", "1.5GiB", "10 MiB", "512B"] {
        run("MIN_LAYER_SIZE", size).says(&format!("plan: --min-layer-size {size}\n"));
    }
    for nothing in ["", " ", ",", "\n"] {
        run("IMAGE_ARCH", nothing).says("plan: \n");
    }
    run("IMAGE_ARCH", "all").says("plan: --all-platforms\n");
    run("IMAGE_ARCH", "All").says("plan: --all-platforms\n");
    run("IMAGE_ARCH", "arm64").says("plan: --platform arm64\n");
    run("IMAGE_ARCH", "linux/amd64,linux/arm/v7")
        .says("plan: --platform linux/amd64 --platform linux/arm/v7\n");
    for list in [
        "amd64, arm64",
        "amd64 arm64",
        "amd64\narm64",
        "amd64\r\narm64\r\n",
        "amd64,arm64,",
        " amd64\narm64\n",
    ] {
        run("IMAGE_ARCH", list).says("plan: --platform amd64 --platform arm64\n");
    }
}

#[test]
fn rejects_invalid_variables_before_any_request() {
    for size in [
        "-1",
        "1.5",
        "0x10",
        "10 apples",
        "10MiBs",
        "1e3",
        "NaN",
        "--explain",
        "99999999999999999999",
    ] {
        assert_rejected("MIN_LAYER_SIZE", size).says(size);
    }
    assert_rejected("MIN_LAYER_SIZE", "10\n20").says("`10 20`");
    for platforms in [
        "linux/",
        "linux/amd64/v1/x",
        "linux/*",
        "--all",
        "-v",
        "all,linux/amd64",
        "amd64;arm64",
    ] {
        assert_rejected("IMAGE_ARCH", platforms);
    }
}

#[test]
fn rejects_options_that_a_tool_rejects_before_any_request() {
    for stage in STAGES {
        let sandbox = sandbox();
        let entrypoint = entrypoint(&sandbox).env(&format!("TRIED_{stage}"), "2");
        let ended = entrypoint.arg("app:v1").run().ends_with(2);
        let stderr = ended.says("error: SOCI_SPAN_SIZE: ").says(stage).stderr;
        assert!(!stderr.contains("app:v1"), "a request was made: {stderr}");
    }
}

#[test]
fn runs_a_single_tool() {
    let ended = entrypoint(&sandbox())
        .args(["soci-plan", "--explain"])
        .stdin("{}")
        .env("STATUS_plan", "65")
        .run();
    assert_eq!(
        ended.clone().ends_with(65).says("plan: --explain\n").stdout,
        b"{}"
    );
}

/// A command that a CI system runs in each container, or that a user tries, is not looked up in a
/// registry.
#[test]
fn refuses_commands() {
    let commands: [&[&str]; 6] = [
        &["bash"],
        &["sh", "-c", "echo"],
        &["ls"],
        &["cat"],
        &["/bin/sh"],
        &["/usr/bin/env", "sh"],
    ];
    for command in commands {
        let ended = entrypoint(&sandbox()).args(command).run().ends_with(2);
        let ended = ended.says("This image contains the SOCI index tools");
        let ended = ended.says(&format!("`{}` is a command, not a reference", command[0]));
        assert!(!ended.stderr.contains("pull:"), "{}", ended.stderr);
    }
    for reference in ["bash:5", "docker.io/library/bash", "no-such-command"] {
        let ended = entrypoint(&sandbox()).arg(reference).run().succeeds();
        ended.says(&format!("pull: -- {reference}\n"));
    }
}

/// A reference may be a path with a space, and `--` ends the options.
#[test]
fn keeps_the_references_apart() {
    let sandbox = sandbox();
    let arguments = ["oci:my image", "--dry-run", "*", "--", "-x", "--summary"];
    let ended = entrypoint(&sandbox).args(arguments).run().succeeds();
    ended.says("pull: -- oci:my image * -x --summary\n");
}

/// The pipe needs named pipes for an instant, and leaves nothing behind.
#[test]
fn leaves_no_temporary_files() {
    let sandbox = sandbox();
    let temporary = sandbox.path().join("temporary");
    fs::create_dir(&temporary).expect("a new directory");
    let tool = entrypoint(&sandbox).env("TMPDIR", &temporary).arg("app:v1");
    tool.run().succeeds();
    assert_eq!(fs::read_dir(&temporary).expect("a directory").count(), 0);
}

#[test]
fn needs_a_reference() {
    entrypoint(&sandbox()).run().ends_with(2).says("usage: ");
    entrypoint(&sandbox())
        .arg("--nonsense")
        .run()
        .ends_with(2)
        .says("unknown option `--nonsense`");
    // The output of what a test runs is searched for secrets.
    let option = "--to=user:canary-p@r.example/app";
    entrypoint(&sandbox())
        .arg(option)
        .run()
        .ends_with(2)
        .says("unknown option `--to`");
    entrypoint(&sandbox()).arg("--help").run().succeeds();
}

/// What a variable holds does not reach the terminal as it is.
#[test]
fn escapes_the_value_of_a_variable() {
    let ended = assert_rejected("IMAGE_ARCH", "linux/\u{1b}[31m\u{202e}");
    let is_clean = ended
        .stderr
        .bytes()
        .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte));
    assert!(is_clean, "{:?}", ended.stderr);
}

/// The trust of the store is given by a variable, and by a mount at the default directory only.
#[test]
fn trusts_only_the_default_store() {
    let sandbox = sandbox();
    let script = "#!/bin/sh\necho \"trust: ${SOCI_TRUST_STORE-no}\" >&2\n";
    let path = sandbox.write("bin/soci-check", script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a new file");
    entrypoint(&sandbox)
        .arg("soci-check")
        .run()
        .succeeds()
        .says("trust: no\n");
}

/// Waits for the file that a tool's script creates when it starts.
fn wait_for_stage(file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !file.exists() {
        assert!(
            Instant::now() < deadline,
            "{} does not start",
            file.display()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn kill(signal: &str, process: u32) -> ExitStatus {
    Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(process.to_string())
        .status()
        .expect("kill")
}
