//! The files of `deploy/`, and the programs of `scripts/setup.sh deploy` that parse and check them.

use std::{path::PathBuf, sync::LazyLock};

use serde_json::Value;

use crate::{process::Sandbox, server::path_from_setup, workspace};

/// The directory of the programs.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| path_from_setup("deploy"));

/// Returns the path of a program that `scripts/setup.sh deploy` installs, such as `aws`.
pub fn program(name: &str) -> PathBuf {
    PROGRAMS.join(name)
}

/// Returns the path of a file of `deploy/`.
pub fn file(name: &str) -> PathBuf {
    workspace::root().join("deploy").join(name)
}

/// Parses a file of `deploy/`: the documents of a YAML file, or the scripts of a Jenkinsfile.
#[track_caller]
pub fn parse(name: &str) -> Vec<Value> {
    let sandbox = Sandbox::new();
    let parser = workspace::root().join("tests/deploy/parse.py");
    let python = sandbox.program(program("python")).arg(parser);
    let parsed = python.arg(file(name)).run().succeeds();
    serde_json::from_slice(&parsed.stdout).expect("JSON")
}
