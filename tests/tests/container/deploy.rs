//! The files of `deploy/` with the real container and the real Docker, with the rights that they
//! give it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::Value;
use soci_testkit::{
    deploy,
    process::{Sandbox, Tool},
};

use crate::{DOCKER, IMAGE, registry};

/// Returns the pod of a manifest in `deploy/kubernetes`.
#[track_caller]
fn pod(file: &str, kind: &str) -> Value {
    let parsed = deploy::parse(file);
    let found = parsed.iter().find(|manifest| manifest["kind"] == kind);
    let spec = &found.expect("a manifest")["spec"];
    let job = spec["jobTemplate"].get("spec").unwrap_or(spec);
    job["template"]["spec"].clone()
}

/// Makes a directory that every user may write to, as an `emptyDir` is.
fn empty_directory(sandbox: &Sandbox, name: &str) -> PathBuf {
    let directory = sandbox.path().join(name);
    fs::create_dir(&directory).expect("a new directory");
    let everyone = fs::Permissions::from_mode(0o777);
    fs::set_permissions(&directory, everyone).expect("a new directory");
    directory
}

/// Returns a command that runs the container of a pod as a kubelet would: its user, its rights, its
/// limit of memory, its variables and its command. A volume of the pod is a folder of the sandbox
/// with the volume's name.
fn run_pod(sandbox: &Sandbox, pod: &Value, variables: &[&str]) -> Tool {
    let container = &pod["containers"][0];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let context = &pod["securityContext"];
    let user = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);
    let options = "run --rm --network host --security-opt no-new-privileges --cap-drop ALL";
    let mut docker = DOCKER.command(sandbox, &options.split(' ').collect::<Vec<_>>());
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    docker = docker.args(["--read-only", "--user", &user]);
    let memory = text(&container["resources"]["limits"]["memory"]);
    docker = docker.args(["--memory", memory.trim_end_matches('i')]);
    for mount in container["volumeMounts"].as_array().expect("mounts") {
        let source = sandbox.path().join(text(&mount["name"]));
        let target = text(&mount["mountPath"]);
        docker = docker.args(["--volume", &format!("{}:{target}", source.display())]);
    }
    for variable in container["env"].as_array().expect("variables") {
        let pair = format!("{}={}", text(&variable["name"]), text(&variable["value"]));
        docker = docker.args(["--env", &pair]);
    }
    for variable in variables {
        docker = docker.args(["--env", variable]);
    }
    let words = |name: &str| container[name].as_array().expect("words").iter().map(text);
    let mut command = words("command").chain(words("args"));
    let program = command.next().expect("a program");
    let docker = docker.args(["--entrypoint", &program, IMAGE]);
    docker.args(command)
}

/// The pod of the Indexed Job indexes the image of its line.
#[test]
fn the_job_indexes_the_image_of_its_line() {
    let (registry, reference) = registry();
    let sandbox = Sandbox::new();
    let images = format!("registry.example/other:v1\n{reference}\n");
    sandbox.write("images/references", images);
    empty_directory(&sandbox, "store");
    let job = pod("kubernetes/backfill.yaml", "Job");
    let run = |index: &str| {
        let index = format!("JOB_COMPLETION_INDEX={index}");
        run_pod(&sandbox, &job, &[&index, "MIN_LAYER_SIZE=0"]).run()
    };
    run("1").succeeds();
    assert_eq!(registry.manifest("app", "v1-soci").status, 200);
    run("2").ends_with(2).says("set completions to 2");
}

/// The pod of the sweep indexes what its list of tags has, except what builders have made.
#[test]
fn the_sweep_indexes_the_tags_of_its_list() {
    let (registry, reference) = registry();
    let sandbox = Sandbox::new();
    let lists = empty_directory(&sandbox, "lists");
    fs::write(
        lists.join("tags"),
        format!("{reference}\n{reference}-soci\n"),
    )
    .expect("a list");
    for name in ["store", "auth"] {
        empty_directory(&sandbox, name);
    }
    sandbox.write("auth/.dockerconfigjson", "{}");
    let sweep = pod("kubernetes/sweep.yaml", "CronJob");
    let run = |variables: &[&str]| run_pod(&sandbox, &sweep, variables).run().succeeds();
    let done = run(&["MIN_LAYER_SIZE=0"]);
    assert_eq!(done.documents().len(), 1, "{}", done.text());
    assert_eq!(registry.manifest("app", "v1-soci").status, 200);
    // A tag that never moves, and that has its index, is left out.
    assert_eq!(run(&["TAGS_MOVE=false"]).text(), "");
}

/// The job of GitLab runs in the container of the tools.
#[test]
fn the_gitlab_job_runs_in_the_container() {
    let (registry, reference) = registry();
    let pipeline = deploy::parse("ci/gitlab-ci.yml").remove(0);
    let script = pipeline["soci-index"]["script"][0]
        .as_str()
        .expect("a script");
    let sandbox = Sandbox::new();
    let builds = empty_directory(&sandbox, "builds");
    let docker = DOCKER.command(&sandbox, &["run", "--rm", "--network", "host"]);
    let volume = format!("{}:/builds", builds.display());
    let docker = docker.args(["--volume", &volume, "--workdir", "/builds"]);
    let docker = docker.args(["--env", &format!("IMAGE={reference}")]);
    let docker = docker.args(["--env", "MIN_LAYER_SIZE=0", "--entrypoint", "sh", IMAGE]);
    docker.args(["-e", "-c", script]).run().succeeds();
    let passed_on = fs::read_to_string(builds.join("soci.env")).expect("variables");
    let converted = registry.manifest("app", "v1-soci");
    let digest = converted.header("docker-content-digest").expect("a digest");
    let expected = format!("INDEXED_IMAGE={reference}-soci\nINDEXED_DIGEST={digest}\n");
    assert_eq!(passed_on, expected);
}

/// The script of Jenkins gives Docker options that it accepts, and the environment without a file.
#[test]
fn the_jenkins_stage_runs_the_container() {
    let (registry, reference) = registry();
    let script = deploy::parse("ci/Jenkinsfile").remove(0);
    let sandbox = Sandbox::new();
    // The container reaches a registry of this machine only in the network of this machine.
    let wrapper = "#!/bin/sh\nPATH=${PATH#*:}\n[ \"$1\" = run ] && shift\nexec docker run --network host \"$@\"\n";
    let script = script.as_str().expect("a script");
    for (name, content) in [("bin/docker", wrapper), ("script", script)] {
        let path = sandbox.write(name, content);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a new file");
    }
    let mut path = sandbox.path().join("bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    let mut stage = sandbox.program(sandbox.path().join("script"));
    if let Some(host) = &DOCKER.host {
        stage = stage.env("DOCKER_HOST", host);
    }
    let stage = stage.env("PATH", path);
    let stage = stage.env("TOOLS_IMAGE", IMAGE).env("MIN_LAYER_SIZE", "0");
    // A store of the agent, as the sandbox has one, is not that of the container.
    stage.env("IMAGE", &reference).run().succeeds();
    assert_eq!(registry.manifest("app", "v1-soci").status, 200);
    let passed_on = fs::read_to_string(sandbox.path().join("soci.properties"));
    let passed_on = passed_on.expect("properties");
    assert!(
        passed_on.starts_with(&format!("INDEXED_IMAGE={reference}-soci\n")),
        "{passed_on}"
    );
    let report = fs::read_to_string(sandbox.path().join("soci.html")).expect("a report");
    assert!(report.contains(&reference), "{report}");
}
