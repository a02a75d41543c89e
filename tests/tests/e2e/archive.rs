//! The archives that `make dist` makes, and the notes of a release.

use std::{fs, path::Path, process::Command};

use soci_testkit::{
    process::{Finished, Sandbox},
    workspace::{self, TOOLS},
};

/// Makes binaries for an archive: the static binary under the name of the first tool, and small files
/// in place of the others, which are packed in an instant.
fn write_binaries(directory: &Path) {
    fs::create_dir(directory).expect("a new directory");
    let built = workspace::static_binary();
    for tool in TOOLS {
        if tool == TOOLS[0] {
            let strip = Command::new("strip")
                .arg(&built)
                .arg("-o")
                .arg(directory.join(tool))
                .status();
            assert!(strip.expect("strip").success());
        } else {
            fs::write(directory.join(tool), tool).expect("a file");
        }
        fs::write(directory.join(format!("{tool}.cdx.json")), tool).expect("a list");
    }
}

/// Packs the binaries, and returns what the script prints, which are the sums of the archives.
fn pack(binaries: &Path, archives: &Path, umask: &str) -> String {
    let script = "umask $1 && exec scripts/pack.sh \"$2\" riscv64 \"$3\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash", umask])
        .args([binaries, archives])
        .current_dir(workspace::root())
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("CARGO_TARGET_DIR", workspace::target_directory());
    workspace::hide_package(&mut bash);
    let output = bash.output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("sums")
}

#[test]
fn an_archive_is_reproducible_and_runs_anywhere() {
    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path().join(name);
    write_binaries(&path("binaries"));
    let sums = pack(&path("binaries"), &path("archives"), "022");
    let again = pack(&path("binaries"), &path("again"), "077");
    assert_eq!(sums, again);

    let name = format!("soci-tools-{}-linux-riscv64", env!("CARGO_PKG_VERSION"));
    let run = |program: &str, arguments: &[&str]| -> Finished {
        sandbox.program(program).args(arguments).run().succeeds()
    };
    let check = "cd archives && sha256sum --check --strict SHA256SUMS";
    run("sh", &["-c", check]);
    run("tar", &["-xf", &format!("archives/{name}.tar.gz")]);
    for file in [
        "LICENSE",
        "README.md",
        "bin/soci-run",
        "sbom/soci-pull.cdx.json",
        "share/man/man1/soci-run.1",
        "share/man/man1/soci-pull.1",
        "share/bash-completion/completions/soci-pull",
    ] {
        assert!(path(&name).join(file).is_file(), "{file}");
    }
    // A root in which there is nothing but a tool.
    fs::create_dir(path("root")).expect("a new directory");
    let tool = TOOLS[0];
    fs::copy(path(&name).join("bin").join(tool), path("root").join(tool)).expect("a copy");
    let command = ["--map-root-user", "chroot", "root", &format!("/{tool}")];
    let version = run("unshare", &[&command[..], &["--version"]].concat());
    assert!(version.text().starts_with(tool), "{}", version.text());
}

#[test]
fn the_notes_of_a_release_are_its_section_of_the_changelog() {
    let sandbox = Sandbox::new();
    let changelog = "# Changelog\n\n## Unreleased\n\n## 1.1.0 - 2026-01-02\n\n### Added\n\n- A.\n\n## 1.1\n\n- B.\n";
    sandbox.write("CHANGELOG.md", changelog);
    let script = workspace::root().join("scripts/release-notes.sh");
    let notes = |version: &str| {
        let script = sandbox.program(&script).args([version, "CHANGELOG.md"]);
        script.run()
    };
    let expected = "### Added\n\n- A.\n";
    assert_eq!(notes("1.1.0").succeeds().text(), expected);
    assert_eq!(notes("v1.1.0").succeeds().text(), expected);
    assert_eq!(notes("1.1").succeeds().text(), "- B.\n");
    for version in ["1.2.0", "Unreleased", "1"] {
        notes(version).ends_with(1).says("no section");
    }
}
