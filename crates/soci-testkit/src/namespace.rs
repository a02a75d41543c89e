//! Runs a test's body on a network of its own, where host names and low ports are free to take.
//!
//! There a registry can answer on port 443 under a real name of ECR, and nothing can reach the world. The test's
//! process starts itself again below `unshare`; as root or, where the kernel lets users make namespaces, as anyone.

use std::{
    any::type_name, env, fmt::Write as _, fs, os::unix::fs::MetadataExt as _, process::Command,
};

use tempfile::TempDir;

/// Set for the process within.
const INSIDE: &str = "SOCI_TEST_NAMESPACE";

/// Runs `body` with only a loopback device, on which all of `hosts` are; must be all that its test does.
///
/// The test is found again by the closure's path, so `body` is written within the test function itself.
#[track_caller]
pub fn isolated<F: FnOnce()>(hosts: &[&str], body: F) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("hosts");
    let mut table = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for host in hosts {
        writeln!(table, "127.0.0.1 {host}").expect("a string");
    }
    fs::write(&file, table).expect("a new file");
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--net"])
        .args((!root).then_some("--map-root-user"));
    command.args([
        "bash",
        "-euc",
        "ip link set lo up; mount --bind \"$0\" /etc/hosts; exec \"$@\"",
    ]);
    command
        .arg(file)
        .arg(env::current_exe().expect("a running test"));
    command
        .args([
            "--exact",
            test_name::<F>(),
            "--nocapture",
            "--include-ignored",
        ])
        .env(INSIDE, "1");
    let output = command.output().expect("unshare, of util-linux");
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success(), "in its own network:\n{said}");
    assert!(
        said.contains("1 passed"),
        "no test is named {}:\n{said}",
        test_name::<F>()
    );
}

/// Takes the crate and the closure off the path of a test's closure.
fn test_name<F>() -> &'static str {
    let path = type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_, rest)| rest);
    path.split_once("::{{closure}}")
        .map_or(path, |(test, _)| test)
}
