//! `docker run` without a daemon.

use std::fs;

use soci_testkit::process::Sandbox;

use super::{install_tools, write_program};

/// The image that [`install`] provides.
pub(super) const CONTAINER: &str = "registry.example/soci-tools:0.1.0";

/// Runs the container's entrypoint with the environment that `docker run` would give it, and appends
/// its own arguments to `docker.log`. Fails as Docker does for other options and images.
const SCRIPT: &str = r#"#!/bin/bash
set -euo pipefail
here=$(dirname "$0")
printf '%s\n' "$*" >>"$here/docker.log"
refuse() { echo "docker: $1" >&2; exit 125; }
[[ $1 == run ]] || refuse "unknown command $1"
shift
environment=() file=()
interactive='' mounted=''
while [[ $1 == -* ]]; do
  case $1 in
  --rm | --read-only) ;;
  -i) interactive=1 ;;
  --cap-drop | --security-opt | --user | --tmpfs) shift ;;
  --volume) mounted=$2; shift ;;
  --env) environment+=("$2"); shift ;;
  --env-file) mapfile -t file <"$2"; shift ;;
  *) refuse "unknown flag: $1" ;;
  esac
  shift
done
[[ $1 == CONTAINER ]] || refuse "unable to find image '$1'"
shift
[[ -n $interactive ]] || exec </dev/null
# The file system of the container is that of this machine.
environment=("${environment[@]/DOCKER_CONFIG=\/docker/DOCKER_CONFIG=${mounted%%:*}}")
environment+=(PATH="$here/container:$PATH" HOME=/home/soci SOCI_STORE="$here/store")
exec env -i "${file[@]}" "${environment[@]}" soci "$@"
"#;

/// Makes `docker` a program in the sandbox's folder `bin` that knows the image `container`.
pub(super) fn install(sandbox: &Sandbox, container: &str) {
    write_program(sandbox, "docker", &SCRIPT.replace("CONTAINER", container));
    install_tools(&sandbox.path().join("bin/container"), "soci");
}

/// Asserts that every container had as few rights as it can have, and that no command line held a
/// secret.
#[track_caller]
pub(super) fn assert_unprivileged(sandbox: &Sandbox) {
    let log = fs::read_to_string(sandbox.path().join("bin/docker.log")).expect("a log");
    for run in log.lines() {
        for option in [
            " --read-only ",
            " --cap-drop ALL ",
            " --security-opt no-new-privileges ",
            " --user ",
        ] {
            assert!(run.contains(option), "no `{option}` in {run}");
        }
        for refused in ["--privileged", "docker.sock", "canary"] {
            assert!(!run.contains(refused), "`{refused}` in {run}");
        }
    }
}
