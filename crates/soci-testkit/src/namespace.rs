//! Runs a test's body on a network of its own, where host names and low ports are free to take.
//!
//! There a registry can answer on port 443 under a real name of ECR, and nothing can reach the world. The test's
//! process starts itself again below `unshare`; as root or, where the kernel lets users make namespaces, as anyone.

use std::{
    any::type_name,
    collections::BTreeSet,
    env,
    fmt::Write as _,
    fs,
    os::unix::fs::MetadataExt as _,
    process::{Command, Output},
};

use tempfile::TempDir;

/// Set for the process within.
const INSIDE: &str = "SOCI_TEST_NAMESPACE";

/// The loopback device's own address.
const HOME: &str = "127.0.0.1";

/// Runs `body` with only a loopback device, on which all of `hosts` are; must be all that its test does.
///
/// The test is found again by the closure's path, so `body` is written within the test function itself. What it prints
/// is printed by the test.
#[track_caller]
pub fn isolated<F: FnOnce()>(hosts: &[&str], body: F) {
    let hosts: Vec<(&str, &str)> = hosts.iter().map(|host| (*host, HOME)).collect();
    isolated_at(&hosts, body);
}

/// As [`isolated`], with hosts at other addresses, such as private ones, all of which are on the loopback device.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "libtest shows it with a test that fails or where it is told to"
)]
pub fn isolated_at<F: FnOnce()>(hosts: &[(&str, &str)], body: F) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let output = run_inside(hosts, test_name::<F>());
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success(), "in its own network:\n{said}");
    assert!(
        said.contains("1 passed"),
        "no test is named {}:\n{said}",
        test_name::<F>()
    );
    println!("{said}");
}

/// Runs one test of this program on a network of its own.
fn run_inside(hosts: &[(&str, &str)], test: &str) -> Output {
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("hosts");
    let mut table = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for (host, address) in hosts {
        writeln!(table, "{address} {host}").expect("a string");
    }
    fs::write(&file, table).expect("a new file");
    let others = hosts.iter().map(|(_, address)| *address);
    let others: BTreeSet<&str> = others
        .filter(|address| ![HOME, "::1"].contains(address))
        .collect();
    let others: Vec<&str> = others.into_iter().collect();
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--net"])
        .args((!root).then_some("--map-root-user"));
    command.args([
        "bash",
        "-euc",
        "ip link set lo up; mount --bind \"$0\" /etc/hosts
        for address in $1; do
          case $address in *:*) nodad=nodad ;; *) nodad='' ;; esac
          ip address add \"$address\" dev lo $nodad
        done; shift; exec \"$@\"",
    ]);
    command
        .arg(file)
        .arg(others.join(" "))
        .arg(env::current_exe().expect("a running test"));
    command
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(INSIDE, "1");
    command.output().expect("unshare, of util-linux")
}

/// Takes the crate and the closure off the path of a test's closure.
fn test_name<F>() -> &'static str {
    let path = type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_, rest)| rest);
    path.split_once("::{{closure}}")
        .map_or(path, |(test, _)| test)
}
