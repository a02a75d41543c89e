//! Runs the body of a test in a network namespace, in which all host names and ports are available.
//!
//! There a registry can listen on port 443 under a host name of ECR, and no packet leaves the
//! machine. The test's process starts itself again with `unshare`. That needs root, or a kernel
//! that allows users to create namespaces.

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

use crate::workspace::{self, BINARIES_ARE_BUILT};

/// An environment variable that is set for the process inside the namespace.
const INSIDE: &str = "SOCI_TEST_NAMESPACE";

/// The loopback device's default address.
const LOOPBACK: &str = "127.0.0.1";

/// Runs `body` in a namespace with only a loopback device, whose address all of `hosts` have.
///
/// This call must be the whole test, and `body` a closure in the test function: the new process
/// finds the test by the closure's path. The test prints what `body` prints.
#[track_caller]
pub fn isolated<F: FnOnce()>(hosts: &[&str], body: F) {
    let hosts: Vec<(&str, &str)> = hosts.iter().map(|host| (*host, LOOPBACK)).collect();
    isolated_at(&hosts, body);
}

/// Runs `body` as [`isolated`] does, with a host name and its address in each pair of `hosts`.
///
/// All the addresses, such as private ones, are added to the loopback device.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "libtest captures it, and shows it if the test fails"
)]
pub fn isolated_at<F: FnOnce()>(hosts: &[(&str, &str)], body: F) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let output = run_in_namespace(hosts, test_name::<F>());
    let printed = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success(), "in the namespace:\n{printed}");
    assert!(
        printed.contains("1 passed"),
        "no test is named {}:\n{printed}",
        test_name::<F>()
    );
    println!("{printed}");
}

/// Runs one test of this program in a new namespace.
fn run_in_namespace(hosts: &[(&str, &str)], test: &str) -> Output {
    workspace::build_binaries();
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("hosts");
    let mut table = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for (host, address) in hosts {
        writeln!(table, "{address} {host}").expect("a string");
    }
    fs::write(&file, table).expect("a new file");
    let others = hosts.iter().map(|(_, address)| *address);
    let others: BTreeSet<&str> = others
        .filter(|address| ![LOOPBACK, "::1"].contains(address))
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
        .env(INSIDE, "1")
        .env(BINARIES_ARE_BUILT, "1");
    command.output().expect("unshare, of util-linux")
}

/// Returns the name of a test from the path of its closure, which also has the crate and the
/// closure itself.
fn test_name<F>() -> &'static str {
    let path = type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_, rest)| rest);
    path.split_once("::{{closure}}")
        .map_or(path, |(test, _)| test)
}
