//! What `make install` installs.

use std::{env, fs, path::Path, process::Command};

use soci_testkit::{
    image::{self, Image, Layer},
    process::{Sandbox, Tool},
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
    workspace::hide_package(&mut script);
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
    let page = fs::read_to_string(prefix.join("share/man/man1/soci-run.1")).expect("page");
    assert!(page.contains("MIN_LAYER_SIZE"), "{page}");
    runs_the_pipe(&sandbox, &prefix);
}

/// `cargo install` knows no commit, so that `--version` has the version only.
#[test]
fn cargo_installs_each_tool() {
    let sandbox = Sandbox::new();
    for name in TOOLS {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["install", "--quiet", "--locked", "--offline", "--debug"])
            .args(["--path", name, "--root"])
            .arg(sandbox.path())
            .current_dir(workspace::root())
            .env("CARGO_TARGET_DIR", workspace::target_directory());
        workspace::hide_package(&mut cargo);
        let output = cargo.output().expect("cargo");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let tool = sandbox.program(sandbox.path().join("bin").join(name));
        let version = tool.arg("--version").run().succeeds();
        let expected = format!("{name} {}", env!("CARGO_PKG_VERSION"));
        assert!(version.text().starts_with(&expected), "{}", version.text());
    }
}

/// Asserts that `soci-run` indexes an image, and writes the report that `--summary` names.
#[track_caller]
fn runs_the_pipe(sandbox: &Sandbox, prefix: &Path) {
    let image = Image::new("linux/amd64").layer(Layer::plain(&[("app", b"content")]));
    image::write_layout(&sandbox.path().join("image"), &[image]);
    let soci_run = || soci_run(sandbox, prefix).env("MIN_LAYER_SIZE", "0");

    let dry = soci_run().args(["--dry-run", "oci:image"]).run().succeeds();
    assert_eq!(dry.documents()[0]["push"]["dryRun"], true);
    assert!(dry.stderr.contains("would push"), "{}", dry.stderr);

    let report = sandbox.path().join("report.md");
    let run = soci_run()
        .arg("oci:image")
        .args(["--summary", "report.md"])
        .run();
    let ztoc = &run.succeeds().documents()[0]["manifests"][0]["layers"][0]["ztoc"];
    assert!(ztoc["digest"].is_string(), "{ztoc}");
    let text = fs::read_to_string(&report).expect("a report");
    assert!(text.contains("oci:image"), "{text}");

    // The report is appended to the summary of the job, and names what failed.
    let failed = soci_run().arg("--summary=report.md").arg("oci:missing");
    failed
        .env("GITHUB_STEP_SUMMARY", "report.md")
        .run()
        .ends_with(80);
    let longer = fs::read_to_string(&report).expect("a report");
    assert!(
        longer.starts_with(&text) && longer.contains("oci:missing"),
        "{longer}"
    );

    soci_run().run().ends_with(2).says("usage: soci-run");
    let unknown = soci_run().args(["oci:image", "--no-such-option"]);
    unknown
        .run()
        .ends_with(2)
        .says("soci-run: error: unknown option `--no-such-option`");
    let unwritable = soci_run().args(["oci:image", "--summary", "missing/report.md"]);
    unwritable.run().ends_with(74).says("missing/report.md");
}

fn soci_run(sandbox: &Sandbox, prefix: &Path) -> Tool {
    let mut path = prefix.join("bin").into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").expect("a search path"));
    sandbox
        .program(prefix.join("bin/soci-run"))
        .env("PATH", path)
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
