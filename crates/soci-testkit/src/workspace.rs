//! The workspace that the tests belong to: its root, its build directory, and its binaries.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// An environment variable that is set for a process whose parent has built the binaries already.
///
/// A test that starts itself again, as [`namespace::isolated`](crate::namespace::isolated) does,
/// has one parent and several children at a time. If each of them ran Cargo, they would wait for
/// each other's lock.
pub(crate) const BINARIES_ARE_BUILT: &str = "SOCI_TEST_BINARIES_ARE_BUILT";

/// The tools, each a package of this name in a directory of this name.
pub const TOOLS: [&str; 7] = [
    "soci-pull",
    "soci-plan",
    "soci-index",
    "soci-check",
    "soci-push",
    "soci-report",
    "soci-prune",
];

/// Returns the workspace's root.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .expect("the workspace that this was built from")
}

/// Returns the directory of this build's profile, such as `target/debug` or `target/release`.
pub fn profile_directory() -> PathBuf {
    let test = env::current_exe().expect("a running test");
    // target/PROFILE/deps/TEST
    test.ancestors()
        .nth(2)
        .expect("a test lies in target/PROFILE/deps")
        .to_owned()
}

/// Returns Cargo's target directory, which holds the directory of each profile.
pub fn target_directory() -> PathBuf {
    let profile = profile_directory();
    profile
        .parent()
        .expect("a profile's directory lies in the target directory")
        .to_owned()
}

/// Returns the path of one of the workspace's binaries, such as `soci-push`, built from the current
/// sources.
///
/// `cargo test` does not build the binaries of other packages. The first call in a process
/// therefore runs `cargo build --workspace --bins`, with the profile and the target directory of
/// the running test.
///
/// A test in the package of the binary itself uses `CARGO_BIN_EXE_soci-push` instead, which Cargo
/// keeps up to date.
pub fn bin(name: &str) -> PathBuf {
    build_binaries();
    let path = profile_directory().join(name);
    assert!(
        path.is_file(),
        "{} is missing: the workspace has no such binary",
        path.display()
    );
    path
}

/// Builds the workspace's binaries, once in this process.
pub(crate) fn build_binaries() {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    if env::var_os(BINARIES_ARE_BUILT).is_some() {
        return;
    }
    // A failure is kept, so that it is shown by each test and costs only one build.
    if let Err(message) = BUILT.get_or_init(run_cargo_build) {
        panic!("{message}");
    }
}

fn run_cargo_build() -> Result<(), String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--workspace", "--bins", "--locked", "--quiet"])
        .args(["--profile", &cargo_profile()])
        .arg("--target-dir")
        .arg(target_directory())
        .current_dir(root());
    hide_package(&mut cargo);
    let output = cargo
        .output()
        .map_err(|error| format!("cannot run {}: {error}", cargo.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("`cargo build --workspace --bins` fails:\n{stderr}"))
}

/// Builds all tools as one static binary without optimisation, as the container has them, and returns
/// its path.
///
/// # Panics
///
/// Panics if it cannot be built. It needs what `scripts/setup.sh test` installs.
pub fn static_binary() -> PathBuf {
    let script = r#"
        eval "$(scripts/static-target.sh "$1")"
        cargo build --locked --quiet --package soci-multicall --target "$1"
    "#;
    let triple = format!("{}-unknown-linux-musl", env::consts::ARCH);
    let mut cargo = Command::new("bash");
    cargo
        .args(["-euc", script, "bash", &triple])
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target_directory());
    hide_package(&mut cargo);
    let output = cargo.output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    target_directory().join(triple).join("debug/soci-multicall")
}

/// Hides from `command`, which runs Cargo, what `cargo test` tells this process about its package:
/// it is not true of the packages that `command` builds.
pub fn hide_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// Returns the name of this build's profile as `cargo --profile` takes it.
fn cargo_profile() -> String {
    let directory = profile_directory();
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    match &*name {
        // The only two profiles whose directories have other names are `dev` and `test`.
        "debug" => "dev".to_owned(),
        name => name.to_owned(),
    }
}
