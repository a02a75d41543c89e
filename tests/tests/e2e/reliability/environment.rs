//! Machines that lack what others have: variables, folders, certificates.

use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::{Sandbox, Tool, bin},
};

use crate::stages::{layer, stage};

/// A sandbox with the layout `image`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer(1, 3000))]);
    sandbox
}

/// Takes everything out of a tool's environment.
fn bare(tool: Tool) -> Tool {
    let names = ["HOME", "PATH", "SOCI_STORE", "SOCI_MIN_LAYER_SIZE"];
    names.into_iter().fold(tool, Tool::env_remove)
}

#[test]
fn k1_an_empty_environment_is_enough_with_a_store() {
    let sandbox = sandbox();
    let pull = bare(stage(&sandbox, "soci-pull")).args(["--store", "s", "oci:image"]);
    let pulled = pull.run().succeeds().stdout;
    let plan = bare(stage(&sandbox, "soci-plan")).args(["--min-layer-size", "0"]);
    let plan = plan.stdin(pulled).run().succeeds().stdout;
    let index = bare(stage(&sandbox, "soci-index")).args(["--store", "s"]);
    let indexed = index.stdin(plan).run().succeeds().stdout;
    let push = bare(stage(&sandbox, "soci-push")).args(["--store", "s"]);
    push.stdin(indexed).run().succeeds();
    let ended = bare(stage(&sandbox, "soci-pull")).arg("oci:image").run();
    ended.ends_with(73).says("--store");
}

#[test]
fn k1_a_registry_is_spoken_to_without_home_and_folder_for_temporary_files() {
    let sandbox = sandbox();
    let registry = Faulty::start();
    registry.push(&sandbox.path().join("image"), "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    for (variable, value) in [
        ("HOME", None),
        ("HOME", Some("/nowhere")),
        ("TMPDIR", Some("/nowhere")),
    ] {
        let tool = |name: &str| {
            let tool = bare(stage(&sandbox, name));
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

#[test]
fn k1_a_user_without_a_name_and_a_folder_that_is_gone() {
    let sandbox = sandbox();
    let folder = sandbox.path().display();
    let script = format!(
        "mkdir gone && cd gone && rmdir ../gone && exec unshare --user --map-user=54321 --map-group=54321 \
         '{}' --store {folder}/s oci:{folder}/image",
        bin("soci-pull").display()
    );
    sandbox.program("sh").args(["-c", &script]).run().succeeds();
}

#[test]
fn k2_certificates_that_are_missing_or_none_are_a_matter_of_configuration() {
    let sandbox = sandbox();
    let registry = Faulty::setup().tls(&[]).start();
    registry.push(&sandbox.path().join("image"), "app:v1");
    let garbage = sandbox.write("garbage.pem", "no certificate");
    let pull = || {
        let reference = format!("{}/app:v1", registry.host());
        let tool = stage(&sandbox, "soci-pull").arg("--plain-http=false");
        tool.arg(reference).env("SSL_CERT_DIR", "")
    };
    for file in [sandbox.path().join("nowhere.pem"), garbage.clone()] {
        let ended = pull().env("SSL_CERT_FILE", &file).run().ends_with(78);
        assert!(
            ended
                .says("certificates")
                .says("SSL_CERT_FILE")
                .stdout
                .is_empty()
        );
        let ended = pull().env("SOCI_CA_FILE", &file).run().ends_with(78);
        let name = file.display().to_string();
        assert!(ended.says("certificate file").says(&name).stdout.is_empty());
    }
    // The authority's own certificate will do, by either way.
    pull()
        .env("SSL_CERT_FILE", registry.ca_file())
        .run()
        .succeeds();
    pull()
        .env("SOCI_CA_FILE", registry.ca_file())
        .run()
        .succeeds();
    assert!(
        registry
            .requests()
            .iter()
            .all(|entry| entry.status.is_some())
    );
}

#[test]
fn k2_a_machine_without_certificates_is_told_to_get_some() {
    let sandbox = sandbox();
    let registry = Faulty::setup().tls(&[]).start();
    registry.push(&sandbox.path().join("image"), "app:v1");
    // As in an image made from scratch: none of the places where systems keep theirs is there.
    let hide = "for place in /etc/ssl /etc/pki /usr/share/ca-certificates /usr/local/share/ca-certificates; do \
        if [ -d $place ]; then mount -t tmpfs none $place || exit; fi; done; exec \"$@\"";
    let pull = || {
        let shell = sandbox
            .program("unshare")
            .args(["--mount", "--map-root-user"]);
        let shell = shell.args(["sh", "-c", hide, "sh"]).arg(bin("soci-pull"));
        shell.args(["--plain-http=false", &format!("{}/app:v1", registry.host())])
    };
    let ended = pull().run().ends_with(78).says("ca-certificates");
    assert!(ended.says("SSL_CERT_FILE").stdout.is_empty());
    assert_eq!(registry.requests().len(), 0);
    pull()
        .env("SSL_CERT_FILE", registry.ca_file())
        .run()
        .succeeds();
}
