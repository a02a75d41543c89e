//! Machines without the usual variables, folders or certificates.

use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::{Sandbox, Tool},
    workspace,
};

use crate::stages::{layer, stage};

/// Returns a sandbox with the layout `image`.
fn sandbox_with_image() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer(1, 3000))]);
    sandbox
}

/// Removes every variable from a tool's environment.
fn without_environment(tool: Tool) -> Tool {
    let names = ["HOME", "PATH", "SOCI_STORE", "SOCI_MIN_LAYER_SIZE"];
    names.into_iter().fold(tool, Tool::env_remove)
}

/// K1: with `--store`, an empty environment is enough.
#[test]
fn needs_no_environment_with_a_store() {
    let sandbox = sandbox_with_image();
    let pull =
        without_environment(stage(&sandbox, "soci-pull")).args(["--store", "s", "oci:image"]);
    let pulled = pull.run().succeeds().stdout;
    let plan = without_environment(stage(&sandbox, "soci-plan")).args(["--min-layer-size", "0"]);
    let plan = plan.stdin(pulled).run().succeeds().stdout;
    let index = without_environment(stage(&sandbox, "soci-index")).args(["--store", "s"]);
    let indexed = index.stdin(plan).run().succeeds().stdout;
    let push = without_environment(stage(&sandbox, "soci-push")).args(["--store", "s"]);
    push.stdin(indexed).run().succeeds();
    let ended = without_environment(stage(&sandbox, "soci-pull"))
        .arg("oci:image")
        .run();
    ended.ends_with(73).says("--store");
}

/// K1: a registry is read and written without a home folder and without a temporary folder.
#[test]
fn needs_no_home_and_no_temporary_directory() {
    let sandbox = sandbox_with_image();
    let registry = Faulty::start();
    registry.push(&sandbox.path().join("image"), "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    for (variable, value) in [
        ("HOME", None),
        ("HOME", Some("/nowhere")),
        ("TMPDIR", Some("/nowhere")),
    ] {
        let tool = |name: &str| {
            let tool = without_environment(stage(&sandbox, name));
            match value {
                Some(value) => tool.env(variable, value),
                None => tool,
            }
        };
        let store = ["--store", "s"];
        let pull = tool("soci-pull").args(store).arg(&reference).run();
        let plan = tool("soci-plan").args(["--min-layer-size", "0"]);
        let plan = plan.stdin(pull.succeeds().stdout).run();
        let index = tool("soci-index").args(store).stdin(plan.succeeds().stdout);
        let push = tool("soci-push")
            .args(store)
            .stdin(index.run().succeeds().stdout);
        let pushed = push.run().succeeds();
        assert!(!pushed.stderr.contains("config"), "{}", pushed.stderr);
    }
    assert!(registry.manifest("app", "v1-soci").is_some());
}

/// K1: a user without a name, in a working folder that was deleted, can pull.
#[test]
fn works_for_a_nameless_user_in_a_deleted_directory() {
    let sandbox = sandbox_with_image();
    let folder = sandbox.path().display();
    let script = format!(
        "mkdir gone && cd gone && rmdir ../gone && exec unshare --user --map-user=54321 --map-group=54321 \
         '{}' --store {folder}/s oci:{folder}/image",
        workspace::bin("soci-pull").display()
    );
    sandbox.program("sh").args(["-c", &script]).run().succeeds();
}

/// K2: on a machine without certificates the error names what to install.
#[test]
fn names_the_package_on_a_machine_without_certificates() {
    let sandbox = sandbox_with_image();
    let registry = Faulty::setup().tls(&[]).start();
    registry.push(&sandbox.path().join("image"), "app:v1");
    // Hides the folders in which systems keep their certificates, as in an image made from scratch.
    let hide = "for folder in /etc/ssl /etc/pki /usr/share/ca-certificates /usr/local/share/ca-certificates; do \
        if [ -d $folder ]; then mount -t tmpfs none $folder || exit; fi; done; exec \"$@\"";
    let pull = || {
        let shell = sandbox
            .program("unshare")
            .args(["--mount", "--map-root-user"]);
        let shell = shell
            .args(["sh", "-c", hide, "sh"])
            .arg(workspace::bin("soci-pull"));
        shell.args(["--plain-http=false", &format!("{}/app:v1", registry.host())])
    };
    let ended = pull().run().ends_with(78).says("ca-certificates");
    ended.says("SSL_CERT_FILE").writes_only_its_failure();
    assert_eq!(registry.requests().len(), 0);
    pull()
        .env("SSL_CERT_FILE", registry.ca_file())
        .run()
        .succeeds();
}
