//! Which crates may depend on which.

use std::{collections::BTreeSet, process::Command};

use soci_testkit::workspace::{self, TOOLS};

/// Returns the names of all crates that a package of the workspace is built from.
fn built_from(package: &str) -> BTreeSet<String> {
    let tree = [
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(workspace::root())
        .args(tree)
        .args(["--package", package]);
    let output = cargo.output().expect("cargo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree of {package}:\n{said}");
    let text = String::from_utf8(output.stdout).expect("text");
    let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = text.lines().map(name).collect();
    assert!(names.contains(package), "{names:?}");
    names
}

#[track_caller]
fn assert_independent(package: &str, forbidden: &[&str]) {
    let names = built_from(package);
    for crate_name in forbidden {
        assert!(
            !names.contains(*crate_name),
            "{package} is built from {crate_name}"
        );
    }
}

const NETWORK: &[&str] = &[
    "soci-registry",
    "soci-registry-args",
    "soci-transport",
    "reqwest",
    "hyper",
    "tokio",
    "rustls",
];

#[test]
fn tools_without_a_registry_need_no_network() {
    for package in ["soci-plan", "soci-report", "soci-prune"] {
        assert_independent(package, NETWORK);
    }
}

#[test]
fn the_ztoc_crate_needs_no_network_and_no_runtime() {
    let others = [
        "soci-cli",
        "soci-document",
        "soci-layout",
        "soci-oci",
        "clap",
        "tempfile",
    ];
    assert_independent("soci-ztoc", &[NETWORK, &others].concat());
}

#[test]
fn the_libraries_below_the_network_do_not_use_it() {
    for package in ["soci-cli", "soci-document", "soci-layout", "soci-oci"] {
        assert_independent(package, NETWORK);
    }
}

#[test]
fn no_library_depends_on_the_command_line() {
    let command_line = ["soci-cli", "soci-registry-args", "clap", "indicatif"];
    for package in [
        "soci-document",
        "soci-layout",
        "soci-oci",
        "soci-registry",
        "soci-transport",
    ] {
        assert_independent(package, &command_line);
    }
}

#[test]
fn no_tool_depends_on_another() {
    for tool in TOOLS {
        let names = built_from(tool);
        for other in TOOLS.into_iter().filter(|other| *other != tool) {
            assert!(!names.contains(other), "{tool} is built from {other}");
        }
        assert!(
            !names.contains("soci-testkit"),
            "{tool} is built from the test kit"
        );
    }
}

/// Cargo leaves the symbols in a binary whose package has a profile of its own: two megabytes.
#[test]
fn no_tool_has_a_profile_of_its_own() {
    let manifest = std::fs::read_to_string(workspace::root().join("Cargo.toml")).expect("manifest");
    for tool in TOOLS {
        let profile = format!("{tool} = {{ opt-level");
        let found = manifest.lines().find(|line| line.starts_with(&profile));
        assert_eq!(found, None, "this profile keeps {tool} from being stripped");
    }
}

/// The images are built from what `.dockerignore` lets through. A source may include a file of
/// another directory than its crate's.
#[test]
fn the_build_of_the_images_has_every_included_file() {
    let root = workspace::root().canonicalize().expect("the workspace");
    let rules = std::fs::read_to_string(root.join(".dockerignore")).expect(".dockerignore");
    let mut included = 0;
    for source in crate::messages::sources() {
        let text = std::fs::read_to_string(&source).expect("a source file");
        let arguments = text.split("include_str!(\"").skip(1);
        for name in arguments.filter_map(|rest| rest.split('"').next()) {
            let file = source.parent().expect("a directory").join(name);
            let file = file.canonicalize().expect("the included file");
            let file = file.strip_prefix(&root).expect("a file of the workspace");
            let name = file.to_string_lossy();
            let mut sent = rules.lines().filter_map(|rule| rule.strip_prefix('!'));
            let is_sent = sent.any(|rule| name.starts_with(rule.trim_end_matches('*')));
            assert!(is_sent, ".dockerignore leaves out {}", file.display());
            included += 1;
        }
    }
    assert!(included > 2, "{included}");
}
