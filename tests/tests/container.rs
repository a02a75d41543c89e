//! Runs the container under the strictest settings: an unknown user, a read-only root, no
//! capabilities, little memory.

#[path = "container/deploy.rs"]
mod deploy;
#[path = "container/ecr.rs"]
mod ecr;

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::LazyLock,
};

use soci_testkit::{
    image::{Image, Layer, write_layout},
    process::{Finished, Sandbox, Tool},
    registry::Registry,
    workspace,
};

/// The tag of the image that the Dockerfile builds.
const IMAGE: &str = "soci-test/tools";

/// A build image without a toolchain: its `cargo` copies the binary under test to where the
/// Dockerfile expects it.
///
/// The Dockerfile also copies the certificates from its build image.
const BUILD_IMAGE: &str = r"
ARG RUNTIME_IMAGE
FROM $RUNTIME_IMAGE
COPY ca-certificates.crt /etc/ssl/certs/
COPY soci-multicall /built/
COPY cargo rustc musl-gcc /usr/local/bin/
";

/// Copies the binary under test, and asserts that the layer of the dependencies has no sources.
const CARGO: &str = r#"#!/bin/sh
set -eu
[ -e crates/soci-cli/src/run.rs ] || ! grep -rq . --include=lib.rs .
mkdir -p "target/$CARGO_BUILD_TARGET/dist"
cp /built/soci-multicall "target/$CARGO_BUILD_TARGET/dist"
"#;

/// Prints a directory in which the standard library for musl exists.
const RUSTC: &str =
    "#!/bin/sh\nmkdir -p /tmp/lib/rustlib/$(uname -m)-unknown-linux-musl\necho /tmp\n";

/// A store that every user may write to.
const STORE: &str = "/var/lib/soci:mode=1777";

/// The Docker daemon, after it has built [`IMAGE`].
static DOCKER: LazyLock<Docker> = LazyLock::new(|| {
    let (docker, bases) = start_daemon();
    let context = Sandbox::new();
    context.write("Dockerfile", BUILD_IMAGE);
    let certificates = fs::read("/etc/ssl/certs/ca-certificates.crt").expect("ca-certificates");
    context.write("ca-certificates.crt", certificates);
    for (name, script) in [
        ("cargo", CARGO),
        ("rustc", RUSTC),
        ("musl-gcc", "#!/bin/sh\n"),
    ] {
        let path = context.write(name, script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a new file");
    }
    let target = context.path().join("soci-multicall");
    let strip = context.program("strip").arg(workspace::static_binary());
    strip.arg("-o").arg(target).run().succeeds();
    let build = |arguments: &[&str]| {
        let docker = docker.command(&context, &["build", "-q", "--network", "host"]);
        docker.args(arguments).run().succeeds();
    };
    let [runtime_image, busybox_image] = bases;
    let base = ["--build-arg", &runtime_image];
    build(&[&base[..], &["-t", "soci-test/prebuilt", "."]].concat());
    let repository = workspace::root().display().to_string();
    let mut arguments = vec!["--build-arg", "BUILD_IMAGE=soci-test/prebuilt"];
    arguments.extend(["--build-arg", &busybox_image]);
    arguments.extend([
        "--build-arg",
        "VERSION=1.2.3",
        "--build-arg",
        "REVISION=abc",
    ]);
    arguments.extend(["-t", IMAGE, &repository]);
    build(&arguments);
    docker
});

/// A Docker daemon.
struct Docker {
    /// The daemon's socket, unless it is the default one.
    host: Option<String>,
}

impl Docker {
    fn command(&self, sandbox: &Sandbox, arguments: &[&str]) -> Tool {
        self.with_host(sandbox.program("docker").args(arguments))
    }

    /// Lets a command, or what it starts, use the daemon.
    fn with_host(&self, command: Tool) -> Tool {
        match &self.host {
            Some(host) => command.env("DOCKER_HOST", host),
            None => command,
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

/// Returns a daemon, and two arguments for Dockerfiles that name images, all as
/// `scripts/test-bases.sh` provides them.
fn start_daemon() -> (Docker, [String; 2]) {
    let script = Command::new(workspace::root().join("scripts/test-bases.sh"))
        .args(["runtime", "busybox"])
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
    let base = |name: &str| format!("{name}{}", value(name).expect("an image"));
    (docker, ["RUNTIME_IMAGE=", "BUSYBOX_IMAGE="].map(base))
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
    let registry = Registry::distribution();
    push_image(&registry);
    let reference = format!("{}/app:v1", registry.host());
    (registry, reference)
}

/// Pushes a small image to a registry, as `app:v1`.
fn push_image(registry: &Registry) {
    let sandbox = Sandbox::new();
    let layer = Layer::gzip(&[("data", &vec![7; 100_000])]);
    let image = Image::new("linux/amd64").layer(layer);
    write_layout(&sandbox.path().join("image"), &[image]);
    registry.push(&sandbox.path().join("image"), "app:v1");
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
    let help = run(&[], &[]).ends_with(2).says("usage: docker run");
    help.says("Builds the SOCI index").says("MIN_LAYER_SIZE");
    for command in ["bash", "sh", "ls", "cat", "/bin/sh"] {
        let ended = run(&[], &[command]).ends_with(2);
        let ended = ended.says("This image contains the SOCI index tools");
        ended.says(&format!("`{command}` is a command, not a reference"));
    }
}

/// Runs the image without a writable directory.
fn run_without_store(arguments: &[&str]) -> Finished {
    let sandbox = Sandbox::new();
    DOCKER.run(&sandbox).arg(IMAGE).args(arguments).run()
}

#[test]
fn a_tool_that_needs_no_store_gets_none() {
    for tool in workspace::TOOLS {
        let version = run_without_store(&[tool, "--version"]).succeeds();
        let expected = format!("{tool} {}", env!("CARGO_PKG_VERSION"));
        assert!(version.text().starts_with(&expected), "{}", version.text());
    }
    let help = run_without_store(&["soci-plan", "--help"]).succeeds();
    assert!(help.text().contains("--min-layer-size"), "{}", help.text());
}

/// The binary under test has a size that tells nothing: it is not optimised. With the one of 10 MB
/// that is distributed, the image has at most 30 MB, which the release checks.
#[test]
fn the_image_is_small_and_described() {
    let sandbox = Sandbox::new();
    let inspected = DOCKER.command(&sandbox, &["image", "inspect"]);
    let inspected = inspected.args(["--format", "{{json .}}", IMAGE]);
    let image = &inspected.run().succeeds().documents()[0];
    let size = image["Size"].as_u64().expect("a size in bytes");
    let script = "stat -c %s /usr/local/bin/soci-multicall";
    let docker = DOCKER.run(&sandbox).args(["--entrypoint", "sh", IMAGE]);
    let binary = docker.args(["-c", script]).run().succeeds();
    let binary: u64 = binary.text().trim().parse().expect("a size in bytes");
    assert!(size - binary <= 3_000_000, "{size} bytes without {binary}");
    let config = &image["Config"];
    assert_eq!(config["User"], "65532:65532");
    for (label, value) in [
        ("title", "SOCI index tools"),
        ("licenses", "Apache-2.0"),
        ("version", "1.2.3"),
        ("revision", "abc"),
    ] {
        let label = format!("org.opencontainers.image.{label}");
        assert_eq!(config["Labels"][&label], value, "{label}");
    }
}

/// A user who asks for a shell gets one, with the commands of its scripts.
#[test]
fn the_shell_has_commands() {
    let sandbox = Sandbox::new();
    let docker = DOCKER.run(&sandbox).args(["--entrypoint", "sh", IMAGE]);
    let script = "ls /usr/local/bin | sort | head -n 1; printf 'a\\nb\\n' | sed -n 2p; id -u";
    let shown = docker.args(["-c", script]).run().succeeds();
    let lines: Vec<&str> = shown.text().lines().collect();
    assert_eq!(lines[..2], ["soci", "b"], "{lines:?}");
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
    for arguments in [
        &["127.0.0.1:1/app:v1"][..],
        &["soci-pull", "127.0.0.1:1/app:v1"],
    ] {
        let refused = run_without_store(arguments).ends_with(73);
        refused.says("add a volume at /var/lib/soci");
    }
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
