//! Runs the container under the strictest settings: an unknown user, a read-only root, no
//! capabilities, little memory.

#[path = "container/deploy.rs"]
mod deploy;

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    sync::LazyLock,
};

use soci_testkit::{
    image::{Image, Layer, write_layout},
    process::{Finished, Sandbox, Tool},
    registry::Registry,
    workspace::{self, TOOLS},
};

/// The tag of the image that the Dockerfile builds.
const IMAGE: &str = "soci-test/tools";

/// A build image without a toolchain: its `cargo` copies the binaries under test to where the
/// Dockerfile expects them.
///
/// The Dockerfile also copies the certificates from its build image.
const BUILD_IMAGE: &str = r"
ARG RUNTIME_IMAGE
FROM $RUNTIME_IMAGE
COPY ca-certificates.crt /etc/ssl/certs/
COPY bin/ /built/
RUN printf '#!/bin/sh\nmkdir target && cp -r /built target/dist\n' >/usr/local/bin/cargo \
 && chmod +x /usr/local/bin/cargo
";

/// A store that every user may write to.
const STORE: &str = "/var/lib/soci:mode=1777";

/// The Docker daemon, after it has built [`IMAGE`].
static DOCKER: LazyLock<Docker> = LazyLock::new(|| {
    let (docker, runtime_image) = start_daemon();
    let runtime_image = format!("RUNTIME_IMAGE={runtime_image}");
    let context = Sandbox::new();
    context.write("Dockerfile", BUILD_IMAGE);
    context.write("bin/README", "");
    let certificates = fs::read("/etc/ssl/certs/ca-certificates.crt").expect("ca-certificates");
    context.write("ca-certificates.crt", certificates);
    for tool in TOOLS {
        let target = context.path().join("bin").join(tool);
        let strip = context.program("strip").arg(workspace::bin(tool));
        strip.arg("-o").arg(target).run().succeeds();
    }
    let build = |arguments: &[&str]| {
        let docker = docker.command(&context, &["build", "-q", "--network", "host"]);
        let docker = docker.args(["--build-arg", &runtime_image]);
        docker.args(arguments).run().succeeds();
    };
    build(&["-t", "soci-test/prebuilt", "."]);
    let repository = workspace::root().display().to_string();
    let build_image = "BUILD_IMAGE=soci-test/prebuilt";
    build(&["--build-arg", build_image, "-t", IMAGE, &repository]);
    docker
});

/// A Docker daemon.
struct Docker {
    /// The daemon's socket, unless it is the default one.
    host: Option<String>,
}

impl Docker {
    fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Tool {
        let docker = sandbox.program("docker").args(arguments);
        match &self.host {
            Some(host) => docker.env("DOCKER_HOST", host),
            None => docker,
        }
    }

    /// Returns a `docker run` of the image with as few rights as it can have; the caller may add
    /// options.
    fn run(&self, sandbox: &Sandbox) -> Tool {
        // A user that the image does not know.
        let user = 20_000 + std::process::id() % 40_000;
        let options = "run --rm --network host --memory 256m --read-only --cap-drop ALL \
                       --security-opt no-new-privileges --user";
        let arguments: Vec<&str> = options.split(' ').filter(|word| !word.is_empty()).collect();
        self.command(sandbox, &arguments)
            .arg(format!("{user}:{user}"))
    }
}

/// Returns a daemon and the image for the last stage of the Dockerfile, both as
/// `scripts/test-bases.sh` provides them.
fn start_daemon() -> (Docker, String) {
    let script = Command::new(workspace::root().join("scripts/test-bases.sh"))
        .arg("runtime")
        .env("CARGO_TARGET_DIR", workspace::target_directory())
        .output()
        .expect("bash");
    assert!(
        script.status.success(),
        "test-bases.sh:\n{}",
        String::from_utf8_lossy(&script.stderr)
    );
    let assignments = String::from_utf8(script.stdout).expect("shell assignments");
    let value = |name: &str| {
        let mut lines = assignments.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.to_owned()))
    };
    let docker = Docker {
        host: value("export DOCKER_HOST="),
    };
    (docker, value("RUNTIME_IMAGE=").expect("an image"))
}

/// Runs the image with a store, and with variables such as `MIN_LAYER_SIZE=0`.
fn run(variables: &[&str], arguments: &[&str]) -> Finished {
    let sandbox = Sandbox::new();
    let mut docker = DOCKER.run(&sandbox).args(["--tmpfs", STORE]);
    for variable in variables {
        docker = docker.args(["--env", variable]);
    }
    docker.arg(IMAGE).args(arguments).run()
}

/// Starts a registry with a small image at `app:v1`, and returns it with the reference to the
/// image.
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

/// K6: a container with as few rights as possible.
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
    // Docker pulls the converted image as an ordinary one.
    let sandbox = Sandbox::new();
    let converted = format!("{reference}-soci");
    for command in [&["pull", "-q"][..], &["rmi"]] {
        let docker = DOCKER.command(&sandbox, command);
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
    // Port 1 refuses connections: if a tool made a request, the exit status would be 69.
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

/// H9: an image in the container fails.
#[test]
fn the_exit_status_is_that_of_the_image_that_failed() {
    let (registry, reference) = registry();
    let missing = format!("{}/app:v2", registry.host());
    let ended = run(&["MIN_LAYER_SIZE=0"], &[&missing, &reference]);
    let ended = ended.ends_with(80).says("app:v2");
    assert_eq!(ended.documents()[0]["image"], missing);
    assert_eq!(ended.done().len(), 1);
    assert_eq!(registry.manifest("app", "v1-soci").status, 200);
}

#[test]
fn without_a_writable_store_a_volume_is_asked_for() {
    let sandbox = Sandbox::new();
    DOCKER
        .run(&sandbox)
        .args([IMAGE, "127.0.0.1:1/app:v1"])
        .run()
        .ends_with(73)
        .says("add a volume at /var/lib/soci");
}

/// G5: a signal stops the container.
#[test]
fn a_signal_stops_the_container() {
    // A server that accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("the port that was bound");
    let sandbox = Sandbox::new();
    let name = format!("soci-test-{}", address.port());
    let docker = DOCKER
        .run(&sandbox)
        .args(["--tmpfs", STORE, "--name", &name]);
    let docker = docker.arg(IMAGE).arg(format!("{address}/app:v1"));
    let mut docker = docker.into_command();
    let mut running = docker.stderr(Stdio::null()).spawn().expect("docker");
    let request = silent.accept().expect("a request of soci-pull");
    DOCKER
        .command(&sandbox, &["kill", "-s", "TERM", &name])
        .run()
        .succeeds();
    let status = running.wait().expect("a child that was not waited for");
    assert_eq!(status.code(), Some(143));
    drop(request);
}
