//! The GitHub Action of `deploy/ci/github`.

use std::fs;

use serde_json::Value;
use soci_testkit::{
    deploy,
    process::{Finished, Sandbox},
    registry::{Registry, Setup},
};

use super::{digest_of, docker, publish, with_bin};

/// The repository and the release that a workflow names with `uses`.
const ACTION: [&str; 2] = ["Owner/soci-tools", "v0.1.0"];

/// A step that uses the action.
struct Step {
    sandbox: Sandbox,
    action: Value,
}

impl Step {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        docker::install(&sandbox, "ghcr.io/owner/soci-tools:0.1.0");
        for file in ["output", "summary"] {
            sandbox.write(file, "");
        }
        let [action] = &deploy::parse("ci/github/action.yml")[..] else {
            panic!("not one document");
        };
        Self {
            sandbox,
            action: action.clone(),
        }
    }

    /// Returns the value of an expression such as `${{ inputs.image }}`, or a text without one.
    fn evaluate(&self, text: &str, with: &[(&str, &str)]) -> String {
        let Some(name) = text
            .strip_prefix("${{ ")
            .and_then(|rest| rest.strip_suffix(" }}"))
        else {
            return text.to_owned();
        };
        match name {
            "github.action_repository" => return ACTION[0].to_owned(),
            "github.action_ref" => return ACTION[1].to_owned(),
            _ => {}
        }
        let name = name.strip_prefix("inputs.").expect("an input");
        let input = &self.action["inputs"][name];
        assert!(input.is_object(), "the action has no input {name}");
        let given = with.iter().find(|(key, _)| *key == name);
        let default = input["default"].as_str().unwrap_or_default();
        given.map_or(default, |(_, value)| value).to_owned()
    }

    /// Runs the step as a runner does: bash with a script in a file, and the expressions replaced.
    #[track_caller]
    fn run(&self, with: &[(&str, &str)]) -> Finished {
        let [step] = &self.action["runs"]["steps"].as_array().expect("steps")[..] else {
            panic!("not one step");
        };
        assert_eq!(
            [&step["shell"], &self.action["runs"]["using"]],
            ["bash", "composite"]
        );
        let body = step["run"].as_str().expect("a script");
        assert!(!body.contains("${{"), "an expression in a script: {body}");
        let script = self.sandbox.write("step.sh", body);
        let path = |name: &str| self.sandbox.path().join(name);
        let bash = self.sandbox.program("bash");
        let bash = bash.args(["--noprofile", "--norc", "-eo", "pipefail"]);
        let mut bash = with_bin(&self.sandbox, bash.arg(script))
            .env("RUNNER_TEMP", path("."))
            .env("GITHUB_OUTPUT", path("output"))
            .env("GITHUB_STEP_SUMMARY", path("summary"));
        for (name, value) in step["env"].as_object().expect("variables") {
            bash = bash.env(name, self.evaluate(value.as_str().expect("a text"), with));
        }
        bash.run()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.sandbox.path().join(file)).expect("a file")
    }

    /// Returns the outputs of the action.
    #[track_caller]
    fn outputs(&self) -> [String; 2] {
        let written = self.read("output");
        ["image", "digest"].map(|name| {
            let expected = format!("${{{{ steps.index.outputs.{name} }}}}");
            assert_eq!(self.action["outputs"][name]["value"], *expected);
            let line = written.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key == name).then(|| value.to_owned())
            });
            line.unwrap_or_default()
        })
    }
}

/// The index is pushed, the outputs name the image to deploy, and the summary of the job has the
/// report. The container is that of the release that the workflow names.
#[test]
fn the_action_pushes_the_index_and_sets_outputs() {
    let registry = Registry::distribution();
    let image = publish(&registry, "app:v1", 1);
    let step = Step::new();
    let with = [("image", &*image), ("min-layer-size", "0")];
    step.run(&with).succeeds();
    let digest = digest_of(&registry, "app", "v1-soci");
    assert_eq!(step.outputs(), [format!("{image}-soci"), digest]);
    let summary = step.read("summary");
    assert!(
        summary.contains(&image) && summary.contains('|'),
        "{summary}"
    );
    docker::assert_unprivileged(&step.sandbox);
}

/// The inputs choose the tag and the index version. With version 1, the image itself is deployed.
#[test]
fn the_inputs_of_the_action_are_options_of_the_tools() {
    let registry = Registry::distribution();
    let image = publish(&registry, "app:v1", 1);
    let step = Step::new();
    let with = [
        ("image", &*image),
        ("min-layer-size", "0"),
        ("tags", "{tag}-lazy"),
        ("summary", "false"),
        ("platforms", "all"),
    ];
    step.run(&with).succeeds();
    let digest = digest_of(&registry, "app", "v1-lazy");
    assert_eq!(step.outputs(), [format!("{image}-lazy"), digest]);
    assert_eq!(step.read("summary"), "");

    let step = Step::new();
    let to = format!("{}/lazy/app:{{tag}}", registry.host());
    let dry = [
        ("image", &*image),
        ("min-layer-size", "0"),
        ("dry-run", "true"),
        ("to", &to),
    ];
    step.run(&dry).succeeds().says("would push");
    assert_eq!(registry.manifest("lazy/app", "v1").status, 404);

    let step = Step::new();
    let first = [("image", &*image), ("index-version", "v1")];
    step.run(&first).succeeds();
    assert_eq!(step.outputs()[0], image);
    let pulled = registry.manifest("app", "v1");
    assert_eq!(
        Some(&*step.outputs()[1]),
        pulled.header("docker-content-digest")
    );
}

/// A failed image fails the job with the status of the tools, and the summary tells why.
#[test]
fn a_failed_image_fails_the_action() {
    let registry = Registry::distribution();
    let step = Step::new();
    let image = format!("{}/app:missing", registry.host());
    step.run(&[("image", &image)]).ends_with(80);
    assert_eq!(step.outputs(), ["", ""]);
    let summary = step.read("summary");
    assert!(summary.contains("not found"), "{summary}");

    let no_container = [("image", &*image), ("container", "registry.example/other")];
    step.run(&no_container).ends_with(125);
    step.run(&[("image", &image), ("min-layer-size", "ten")])
        .ends_with(2)
        .says("MIN_LAYER_SIZE");
    step.run(&[("image", "")]).ends_with(2);
}

/// The container has the logins of earlier steps, and secrets stand in no command line.
#[test]
fn the_action_uses_the_login_of_an_earlier_step() {
    let registry = Setup::distribution().basic_auth().start();
    let image = publish(&registry, "app:v1", 1);
    let step = Step::new();
    step.run(&[("image", &image)]).ends_with(77);
    step.sandbox
        .write("home/.docker/config.json", registry.docker_config());
    step.run(&[("image", &image), ("min-layer-size", "0")])
        .succeeds();
    assert_eq!(step.outputs()[0], format!("{image}-soci"));
    docker::assert_unprivileged(&step.sandbox);
}

/// The example gives the action no input that it does not have, and reads no output that it does not
/// set.
#[test]
fn the_example_workflow_fits_the_action() {
    let step = Step::new();
    let [workflow] = &deploy::parse("ci/github/example.yml")[..] else {
        panic!("not one document");
    };
    let steps = workflow["jobs"]["image"]["steps"]
        .as_array()
        .expect("steps");
    let is_ours = |step: &&Value| {
        let action = step["uses"].as_str().unwrap_or_default();
        action.contains("/deploy/ci/github@")
    };
    let used = steps.iter().find(is_ours).expect("the action");
    for (name, _) in used["with"].as_object().expect("inputs") {
        assert!(step.action["inputs"][name].is_object(), "{name}");
    }
    let inputs = step.action["inputs"].as_object().expect("inputs");
    for (name, input) in inputs {
        let is_given = used["with"][name].is_string();
        assert!(is_given || input["default"].is_string(), "{name}");
    }
    assert_eq!(workflow["permissions"]["id-token"], "write");
    let text = fs::read_to_string(deploy::file("ci/github/example.yml")).expect("a workflow");
    for (_, rest) in text
        .match_indices("steps.soci.outputs.")
        .map(|(at, found)| text.split_at(at + found.len()))
    {
        let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
        assert!(step.action["outputs"][&name].is_object(), "{name}");
    }
}
