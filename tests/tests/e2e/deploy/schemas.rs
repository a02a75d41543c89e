//! The files of `deploy/` against the schemas of the systems that read them.

use std::fs;

use soci_testkit::{deploy, process::Sandbox};

/// Each manifest is valid for the oldest version of Kubernetes that `deploy/kubernetes` names, and
/// for the newest one. Misspelled fields are errors.
#[test]
fn kubernetes_accepts_the_manifests() {
    let sandbox = Sandbox::new();
    for version in ["1.29", "1.37"] {
        for manifest in manifests() {
            let validate = sandbox.program(deploy::program("kubernetes-validate"));
            let validate = validate.args(["--strict", "--kubernetes-version", version]);
            validate.arg(manifest).run().succeeds();
        }
    }
}

/// Returns the paths of the manifests of `deploy/kubernetes`.
fn manifests() -> Vec<std::path::PathBuf> {
    let folder = fs::read_dir(deploy::file("kubernetes")).expect("a folder");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let manifests: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|name| name == "yaml"))
        .collect();
    assert!(manifests.len() >= 3, "{manifests:?}");
    manifests
}

#[test]
fn the_ci_systems_accept_their_files() {
    let sandbox = Sandbox::new();
    for (file, schema) in [
        ("ci/github/action.yml", "vendor.github-actions"),
        ("ci/github/example.yml", "vendor.github-workflows"),
        ("ci/gitlab-ci.yml", "vendor.gitlab-ci"),
        ("ci/buildkite.yml", "vendor.buildkite"),
    ] {
        let check = sandbox.program(deploy::program("check-jsonschema"));
        let check = check.args(["--builtin-schema", schema]);
        check.arg(deploy::file(file)).run().succeeds();
    }
}
