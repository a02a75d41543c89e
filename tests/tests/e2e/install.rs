//! What `make install` installs.

use std::{env, fs, path::Path, process::Command};

use soci_testkit::{
    process::Sandbox,
    workspace::{self, TOOLS},
};

/// Runs `scripts/install.sh` with the tools of this build, and returns what it says.
fn install(destination: &Path) -> String {
    let built = workspace::bin("soci-pull");
    let mut script = Command::new("scripts/install.sh");
    script
        .arg("/opt/soci")
        .arg(built.parent().expect("the folder of the tools"))
        .current_dir(workspace::root())
        .env("DESTDIR", destination)
        .env("CARGO_TARGET_DIR", workspace::target_directory());
    // What `cargo test` tells this process about its package is not true of those that are built.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            script.env_remove(&name);
        }
    }
    let output = script.output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn installs_tools_with_pages_and_completions() {
    let sandbox = Sandbox::new();
    let destination = sandbox.path().join("destination");
    let said = install(&destination);
    assert!(said.contains("add /opt/soci/bin to PATH"), "{said}");
    let prefix = destination.join("opt/soci");
    for tool in TOOLS {
        let version = sandbox
            .program(prefix.join("bin").join(tool))
            .arg("--version")
            .run()
            .succeeds();
        let expected = format!("{tool} {}", env!("CARGO_PKG_VERSION"));
        assert!(version.text().starts_with(&expected), "{}", version.text());

        let read =
            |path: String| fs::read_to_string(prefix.join("share").join(path)).expect("page");
        let page = read(format!("man/man1/{tool}.1"));
        for heading in [".SH NAME", ".SH OPTIONS", ".SH EXAMPLES"] {
            assert!(page.contains(heading), "{tool}: {heading}:\n{page}");
        }
        assert!(read(format!("zsh/site-functions/_{tool}")).starts_with("#compdef"));
        let fish = read(format!("fish/vendor_completions.d/{tool}.fish"));
        assert!(fish.contains("-l log-format"), "{fish}");
        completes_in_bash(&prefix, tool);
    }
}

/// Asserts what a user sees after `TOOL --log<TAB>` in bash.
#[track_caller]
fn completes_in_bash(prefix: &Path, tool: &str) {
    let script = r#"
        source "$1"
        COMP_WORDS=("$2" --log) COMP_CWORD=1
        function_name=$(complete -p "$2" | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function_name" "$2" --log "$2"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let completion = prefix.join("share/bash-completion/completions").join(tool);
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(completion)
        .arg(tool)
        .output()
        .expect("bash");
    let replies = String::from_utf8_lossy(&output.stdout);
    assert_eq!(replies.trim(), "--log-format", "{tool}");
}
