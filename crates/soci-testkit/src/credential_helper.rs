//! Docker credential helpers that are shell scripts.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use crate::process::{Sandbox, Tool};

/// Names a helper for all registries in the sandbox's Docker configuration, and writes its script
/// if there is one.
pub fn write_credential_helper(sandbox: &Sandbox, name: &str, script: Option<&str>) {
    let config = json!({"credsStore": name}).to_string();
    sandbox.write("home/.docker/config.json", config);
    if let Some(script) = script {
        write_helper_script(sandbox, name, script);
    }
}

/// Writes the script of a helper, which no configuration names yet.
pub fn write_helper_script(sandbox: &Sandbox, name: &str, script: &str) {
    let file = format!("bin/docker-credential-{name}");
    let file = sandbox.write(&file, format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("the sandbox's file");
}

/// Puts the sandbox's helpers on the tool's `PATH`.
#[must_use]
pub fn with_credential_helpers(sandbox: &Sandbox, tool: Tool) -> Tool {
    let path = format!("{}:/usr/bin:/bin", sandbox.path().join("bin").display());
    tool.env("PATH", path)
}
