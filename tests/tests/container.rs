//! Runs the container as the most careful user would: any user, a read-only root, no capability, little memory.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    sync::LazyLock,
};

use soci_testkit::{
    image::{Image, Layer, write_layout},
    process::{Finished, Sandbox, Tool, bin, profile_directory, workspace},
    registry::Registry,
};

const TOOLS: [&str; 4] = ["soci-pull", "soci-plan", "soci-index", "soci-push"];

/// Stands for a toolchain: its `cargo` hands out the binaries under test. The certificates are what is copied of it.
const BUILD_IMAGE: &str = r"
ARG RUNTIME_IMAGE
FROM $RUNTIME_IMAGE
COPY ca-certificates.crt /etc/ssl/certs/
COPY bin/ /built/
RUN printf '#!/bin/sh\nmkdir target && cp -r /built target/release\n' >/usr/local/bin/cargo \
 && chmod +x /usr/local/bin/cargo
";

/// A store that any user may write.
const STORE: &str = "/var/lib/soci:mode=1777";

/// The image that the Dockerfile makes.
static IMAGE: LazyLock<String> = LazyLock::new(|| {
    let bases = Command::new(workspace().join("scripts/test-bases.sh"))
        .arg("runtime")
        .env("CARGO_TARGET_DIR", profile_directory().join(".."))
        .output()
        .expect("bash");
    assert!(
        bases.status.success(),
        "test-bases.sh:\n{}",
        String::from_utf8_lossy(&bases.stderr)
    );
    let base = String::from_utf8(bases.stdout).expect("an image's name");
    let context = Sandbox::new();
    context.write("Dockerfile", BUILD_IMAGE);
    context.write("bin/README", "");
    let certificates = fs::read("/etc/ssl/certs/ca-certificates.crt").expect("ca-certificates");
    context.write("ca-certificates.crt", certificates);
    for tool in TOOLS {
        let target = context.path().join("bin").join(tool);
        let strip = context.program("strip").arg(bin(tool));
        strip.arg("-o").arg(target).run().succeeds();
    }
    let build = |arguments: &[&str]| -> String {
        let docker = context.program("docker").args(["build", "-q"]);
        docker.args(arguments).run().succeeds().text().trim().into()
    };
    let base = ["--build-arg", base.trim()];
    build(&[&base[..], &["-t", "soci-test/prebuilt", "."]].concat());
    let tools = workspace().display().to_string();
    let stand_in = ["--build-arg", "BUILD_IMAGE=soci-test/prebuilt"];
    build(&[&base[..], &stand_in, &["-t", "soci-test/tools", &tools]].concat())
});

/// A `docker run` of the image in which as little is allowed as can be; options of `docker run` may be added.
fn docker_run(sandbox: &Sandbox) -> Tool {
    // A user that the image does not know.
    let user = 20_000 + std::process::id() % 40_000;
    let run = ["run", "--rm", "--network", "host", "--memory", "256m"];
    let bare = "--read-only --cap-drop ALL --security-opt no-new-privileges --user";
    let docker = sandbox.program("docker").args(run).args(bare.split(' '));
    docker.arg(format!("{user}:{user}"))
}

/// Runs the image with a store, and with variables such as `MIN_LAYER_SIZE=0`.
fn run(variables: &[&str], arguments: &[&str]) -> Finished {
    let sandbox = Sandbox::new();
    let mut docker = docker_run(&sandbox).args(["--tmpfs", STORE]);
    for variable in variables {
        docker = docker.args(["--env", variable]);
    }
    docker.arg(&*IMAGE).args(arguments).run()
}

/// A registry with an image at `app:v1`, which is small, and the reference to it.
fn registry() -> (Registry, String) {
    let sandbox = Sandbox::new();
    let layer = Layer::gzip(&[("data", &vec![7; 100_000])]);
    let image = Image::new("linux/amd64").layer(layer);
    write_layout(&sandbox.path().join("image"), &[image]);
    let registry = Registry::distribution();
    registry.push(&sandbox.path().join("image"), "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    (registry, reference)
}

#[test]
fn any_user_on_a_read_only_root_builds_and_pushes_the_index() {
    let (registry, reference) = registry();
    let done = run(&["MIN_LAYER_SIZE=0"], &[&reference]).succeeds();
    let [document] = &done.documents()[..] else {
        panic!("not one document: {}", done.text());
    };
    let converted = registry.manifest("app", "v1-soci");
    assert_eq!(converted.status, 200);
    assert_eq!(
        converted.header("docker-content-digest"),
        document["converted"]["digest"].as_str()
    );
    let referrers = document["root"]["digest"].as_str().expect("a digest");
    let referrers = registry
        .manifest("app", &referrers.replace(':', "-"))
        .json();
    assert_eq!(
        referrers["manifests"][0]["digest"],
        document["manifests"][0]["index"]["v1"]["digest"]
    );
    // Docker, which loads nothing lazily, takes it for the image that it was.
    let sandbox = Sandbox::new();
    let converted = format!("{reference}-soci");
    for command in [&["pull", "-q"][..], &["rmi"]] {
        let docker = sandbox.program("docker").args(command);
        docker.arg(&converted).run().succeeds();
    }
}

#[test]
fn the_environment_chooses_what_is_indexed() {
    let (registry, reference) = registry();
    run(&["IMAGE_ARCH=all"], &[&reference])
        .succeeds()
        .says("no layer is to be indexed");
    let elsewhere = ["MIN_LAYER_SIZE=0", "IMAGE_ARCH=linux/amd64,linux/arm64"];
    run(&elsewhere, &[&reference]).ends_with(81).says("arm64");
    drop(registry);
}

#[test]
fn a_value_that_does_not_parse_is_a_usage_error() {
    // Nothing listens there: a request would end otherwise.
    let reference = "127.0.0.1:1/app:v1";
    for variable in ["MIN_LAYER_SIZE", "IMAGE_ARCH", "SOCI_SPAN_SIZE"] {
        let value = format!("{variable}=10 apples");
        run(&[&value], &[reference]).ends_with(2).says(variable);
    }
}

#[test]
fn arguments_are_references_or_one_tool() {
    run(&[], &[]).ends_with(2).says("usage: docker run");
    let help = run(&[], &["soci-plan", "--help"]).succeeds();
    assert!(help.text().contains("--min-layer-size"), "{}", help.text());
}

#[test]
fn the_stage_that_failed_gives_the_status() {
    let (registry, reference) = registry();
    let missing = format!("{}/app:v2", registry.host());
    run(&[], &[&missing, &reference])
        .ends_with(80)
        .says("app:v2");
}

#[test]
fn a_store_is_asked_for_where_nothing_can_be_written() {
    let sandbox = Sandbox::new();
    docker_run(&sandbox)
        .args([IMAGE.as_str(), "127.0.0.1:1/app:v1"])
        .run()
        .ends_with(73)
        .says("add a volume at /var/lib/soci");
}

#[test]
fn a_signal_ends_it() {
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("the port that was bound");
    let sandbox = Sandbox::new();
    let name = format!("soci-test-{}", address.port());
    let docker = docker_run(&sandbox).args(["--tmpfs", STORE, "--name", &name]);
    let docker = docker.args([IMAGE.clone(), format!("{address}/app:v1")]);
    let mut docker = docker.into_command();
    let mut running = docker.stderr(Stdio::null()).spawn().expect("docker");
    let request = silent.accept().expect("a request of soci-pull");
    let kill = sandbox
        .program("docker")
        .args(["kill", "-s", "TERM", &name]);
    kill.run().succeeds();
    let status = running.wait().expect("a child that was not waited for");
    assert_eq!(status.code(), Some(143));
    drop(request);
}
