//! The jobs of `deploy/ci` for GitLab, AWS `CodeBuild`, Jenkins and Buildkite.

use std::fs;

use serde_json::Value;
use soci_testkit::{
    deploy,
    process::{Finished, Sandbox, Tool},
    registry::{PASSWORD, Registry, Setup, USER},
};

use super::{docker, install_tools, publish, with_bin, write_program};
use crate::read_back::SOCI_V2;

/// Returns the only document of a YAML file, or the only script of a Jenkinsfile.
#[track_caller]
fn only(name: &str) -> Value {
    let mut parsed = deploy::parse(name);
    assert_eq!(parsed.len(), 1, "{name}");
    parsed.remove(0)
}

/// Returns a list of commands as texts.
fn commands(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|command| command.as_str().expect("a command"))
        .collect()
}

/// Runs a job with an image that exists and one that does not, in a registry with credentials:
/// the first is indexed, and `output` returns what the job passes on; the second fails the job.
#[track_caller]
fn assert_job(
    job: impl Fn(&Sandbox, &Registry, &str) -> Finished,
    output: impl Fn(&Sandbox, &Finished) -> String,
) {
    let registry = Setup::distribution().basic_auth().start();
    let image = publish(&registry, "app:v1", 1);
    let sandbox = Sandbox::new();
    let done = job(&sandbox, &registry, &image).succeeds();
    let passed_on = output(&sandbox, &done);
    assert!(passed_on.contains(&format!("{image}-soci")), "{passed_on}");
    assert!(passed_on.contains("sha256:"), "{passed_on}");
    let documents = fs::read_to_string(sandbox.path().join("soci.json")).expect("soci.json");
    let document: Value = serde_json::from_str(&documents).expect("a document");
    let digest = document["push"]["tags"][0]["digest"]
        .as_str()
        .expect("a digest");
    assert!(passed_on.contains(digest), "{passed_on}");
    let login = sandbox.write("login.json", registry.docker_config());
    let inspect = sandbox
        .program("skopeo")
        .args(["inspect", "--raw", "--tls-verify=false"]);
    let inspect = inspect.env("REGISTRY_AUTH_FILE", login);
    let pushed = inspect.arg(format!("docker://{image}-soci")).run();
    assert!(pushed.succeeds().text().contains(SOCI_V2));

    let sandbox = Sandbox::new();
    let missing = format!("{}/app:missing", registry.host());
    let failed = job(&sandbox, &registry, &missing).ends_with(80);
    let passed_on = output(&sandbox, &failed);
    assert!(!passed_on.contains("sha256:"), "{passed_on}");
}

/// Sets the variables of the user.
fn set_variables(tool: Tool, image: &str) -> Tool {
    tool.env("IMAGE", image)
        .env("TOOLS_IMAGE", docker::CONTAINER)
        .env("MIN_LAYER_SIZE", "0")
        .env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path().join(name)).unwrap_or_default()
}

#[test]
fn the_gitlab_job_indexes_an_image() {
    let pipeline = only("ci/gitlab-ci.yml");
    let job = &pipeline["soci-index"];
    assert_eq!(job["image"]["name"], "$TOOLS_IMAGE");
    assert_eq!(job["variables"]["SOCI_USERNAME"], "$CI_REGISTRY_USER");
    let script = commands(&job["script"]).join("\n");
    assert_job(
        |sandbox, registry, image| {
            install_tools(&sandbox.path().join("bin"), "soci");
            let shell = sandbox.program("sh").args(["-e", "-c", &script]);
            let shell = set_variables(with_bin(sandbox, shell), image);
            shell.env("SOCI_REGISTRY", registry.host()).run()
        },
        |sandbox, _| read(sandbox, "soci.env"),
    );
}

/// The token of GitLab is in a file that only the job can read, when a role is named.
#[test]
fn the_gitlab_job_assumes_a_role() {
    let pipeline = only("ci/gitlab-ci.yml");
    let script = commands(&pipeline["soci-index"]["script"]).join("\n");
    let sandbox = Sandbox::new();
    for tool in ["soci-report", "soci"] {
        let shown = "#!/bin/sh\necho \"$AWS_WEB_IDENTITY_TOKEN_FILE\" >&2\n\
                     stat -c %a \"$AWS_WEB_IDENTITY_TOKEN_FILE\" >&2\ncat \"$AWS_WEB_IDENTITY_TOKEN_FILE\" >&2\n";
        write_program(&sandbox, tool, shown);
    }
    let shell = sandbox.program("sh").args(["-e", "-c", &script]);
    let shell = set_variables(with_bin(&sandbox, shell), "app:v1");
    let shell = shell.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/index");
    let ended = shell.env("AWS_ID_TOKEN", "token-of-gitlab").run();
    ended.succeeds().says("\n600\ntoken-of-gitlab");
}

/// Makes the archive of the tools with one folder, as a release has it, and returns its checksum.
fn write_archive(sandbox: &Sandbox) -> String {
    let folder = sandbox.path().join("soci-tools-0.1.0-linux-x86_64");
    install_tools(&folder.join("bin"), "soci-run");
    let tar = sandbox
        .program("tar")
        .args(["-czf", "archive.tar.gz"])
        .arg("soci-tools-0.1.0-linux-x86_64");
    tar.run().succeeds();
    let sum = sandbox.program("sha256sum").arg("archive.tar.gz");
    let sum = sum.run().succeeds();
    sum.text().split(' ').next().expect("a checksum").to_owned()
}

/// Runs the phases `install` and `build` of the buildspec as `CodeBuild` does: all commands in one
/// shell, and none after one that failed. Prints the exported variables.
fn codebuild(sandbox: &Sandbox, checksum: &str, image: &str) -> Finished {
    let buildspec = only("ci/buildspec.yml");
    assert_eq!(buildspec["env"]["shell"], "bash");
    let mut script = "trap 'echo \"$INDEXED_IMAGE $INDEXED_DIGEST\"' EXIT\n\
                      for command; do eval \"$command\" || exit; done"
        .to_owned();
    script.insert_str(0, "export PATH=\"$TOOLS_PREFIX/bin:$PATH\"\n");
    let phases = &buildspec["phases"];
    let shell = sandbox.program("bash").args(["-c", &script, "bash"]);
    let shell = shell
        .args(commands(&phases["install"]["commands"]))
        .args(commands(&phases["build"]["commands"]));
    let archive = sandbox.path().join("archive.tar.gz");
    let prefix = sandbox.path().join("prefix");
    fs::create_dir_all(&prefix).expect("a new folder");
    set_variables(shell, image)
        .env("TOOLS_URL", format!("file://{}", archive.display()))
        .env("TOOLS_SHA256", checksum)
        .env("TOOLS_PREFIX", prefix)
        .run()
}

#[test]
fn the_codebuild_project_installs_the_tools_and_indexes_an_image() {
    assert_job(
        |sandbox, _, image| codebuild(sandbox, &write_archive(sandbox), image),
        |_, finished| finished.text().to_owned(),
    );
    let sandbox = Sandbox::new();
    write_archive(&sandbox);
    let other = "0".repeat(64);
    let refused = codebuild(&sandbox, &other, "app:v1").ends_with(1);
    refused.says("checksum");
    assert!(!sandbox.path().join("prefix/bin").exists(), "installed");
}

#[test]
fn the_jenkins_stage_indexes_an_image() {
    let script = only("ci/Jenkinsfile");
    let script = script.as_str().expect("a script");
    // In a string of three apostrophes, Groovy would replace these.
    assert!(!script.contains('\\'), "{script}");
    assert_job(
        |sandbox, _, image| {
            docker::install(sandbox, docker::CONTAINER);
            write_program(sandbox, "script", script);
            let script = sandbox.program(sandbox.path().join("bin/script"));
            let ended = set_variables(with_bin(sandbox, script), image).run();
            docker::assert_unprivileged(sandbox);
            assert!(read(sandbox, "soci.html").contains(image));
            ended
        },
        |sandbox, _| read(sandbox, "soci.properties"),
    );
}

#[test]
fn the_buildkite_step_indexes_an_image() {
    let pipeline = only("ci/buildkite.yml");
    let uploaded = pipeline["steps"][0]["command"].as_str().expect("a command");
    let rest = uploaded.replace("$$", "");
    assert!(!rest.contains('$'), "replaced by the upload: {uploaded}");
    let command = uploaded.replace("$$", "$");
    assert_job(
        |sandbox, _, image| {
            docker::install(sandbox, docker::CONTAINER);
            let agent = "#!/bin/sh\n{ echo \"$@\"; [ \"$1\" != annotate ] || cat; } >>agent.log\n";
            write_program(sandbox, "buildkite-agent", agent);
            let bash = sandbox.program("bash").args(["-e", "-c", &command]);
            let ended = set_variables(with_bin(sandbox, bash), image).run();
            docker::assert_unprivileged(sandbox);
            let log = read(sandbox, "agent.log");
            assert!(
                log.contains("annotate") && log.contains(&image[..20]),
                "{log}"
            );
            ended
        },
        |sandbox, _| {
            let log = read(sandbox, "agent.log");
            let set = log.lines().filter(|line| line.starts_with("meta-data set"));
            set.collect::<Vec<_>>().join("\n")
        },
    );
}
