//! The commands of the manifests in `deploy/kubernetes`.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use soci_testkit::{
    deploy,
    moto::Moto,
    process::{Finished, Sandbox, Tool},
    registry::Registry,
};

use super::{digest_of, install_tools, publish, trust_plain_http, with_bin, write_program};

/// Returns the manifest of a kind.
#[track_caller]
fn manifest(file: &str, kind: &str) -> Value {
    let parsed = deploy::parse(file);
    let found = parsed.iter().find(|manifest| manifest["kind"] == kind);
    found.expect("a manifest of this kind").clone()
}

/// Returns a container's command line, with its variables and then those of `set`.
fn container(sandbox: &Sandbox, container: &Value, set: &[(&str, String)]) -> Tool {
    let words = |name: &str| {
        let words = container[name].as_array().expect("words").iter();
        words.map(|word| word.as_str().expect("a word").to_owned())
    };
    let mut command = words("command").chain(words("args"));
    let program = command.next().expect("a program");
    let mut tool = with_bin(sandbox, sandbox.program(program).args(command));
    for variable in container["env"].as_array().expect("variables") {
        let text = |name: &str| variable[name].as_str().expect("a text");
        tool = tool.env(text("name"), text("value"));
    }
    // A volume of a pod is a folder of the sandbox.
    tool = tool.env("HOME", sandbox.home()).env("MIN_LAYER_SIZE", "0");
    let set = set.iter();
    set.fold(tool, |tool, (name, value)| tool.env(name, value))
}

/// Runs the pod of the Job with an index.
fn run_job(sandbox: &Sandbox, index: usize, references: &str) -> Finished {
    let job = manifest("kubernetes/backfill.yaml", "Job");
    let file = sandbox.write("references", references);
    let set = [
        ("REFERENCES", file.display().to_string()),
        ("JOB_COMPLETION_INDEX", index.to_string()),
    ];
    let containers = &job["spec"]["template"]["spec"]["containers"];
    container(sandbox, &containers[0], &set).run()
}

/// Each index takes the image of its line. The last line may lack its end.
#[test]
fn each_pod_of_the_job_indexes_the_image_of_its_line() {
    let registry = Registry::distribution();
    let first = publish(&registry, "app:v1", 1);
    let second = publish(&registry, "web:v1", 2);
    let sandbox = Sandbox::new();
    install_tools(&sandbox.path().join("bin"), "soci");
    let list = format!("{first}\n{second}");
    run_job(&sandbox, 1, &list).succeeds();
    digest_of(&registry, "web", "v1-soci");
    assert_eq!(registry.manifest("app", "v1-soci").status, 404);
    let done = run_job(&sandbox, 0, &list).succeeds();
    assert_eq!(done.documents()[0]["image"], first);
    digest_of(&registry, "app", "v1-soci");
    let beyond = run_job(&sandbox, 2, &list).ends_with(2);
    beyond.says("the list has 2 images, and no number 2: set completions to 2");
}

/// The Job tries again what can succeed later, and nothing else: its list of permanent statuses is
/// that of the README.
#[test]
fn the_job_tries_again_only_what_may_succeed_later() {
    let job = manifest("kubernetes/backfill.yaml", "Job");
    let rules = &job["spec"]["podFailurePolicy"]["rules"];
    let permanent = rules
        .as_array()
        .expect("rules")
        .iter()
        .find(|rule| rule["action"] == "FailIndex");
    let statuses = &permanent.expect("a rule")["onExitCodes"]["values"];
    assert_eq!(*statuses, json!([1, 2, 65, 70, 76, 77, 78, 80, 81]));
    let list = manifest("kubernetes/images.yaml", "ConfigMap");
    let references = list["data"]["references"].as_str().expect("a list");
    assert_eq!(job["spec"]["completions"], references.lines().count());

    let registry = Registry::distribution();
    let sandbox = Sandbox::new();
    install_tools(&sandbox.path().join("bin"), "soci");
    let missing = run_job(&sandbox, 0, &format!("{}/app:v1\n", registry.host()));
    let code = missing.ends_with(80).code();
    assert!(
        statuses
            .as_array()
            .expect("statuses")
            .contains(&json!(code))
    );
    let unavailable = run_job(&sandbox, 0, "127.0.0.1:1/app:v1\n");
    let code = unavailable.ends_with(69).code();
    assert!(
        !statuses
            .as_array()
            .expect("statuses")
            .contains(&json!(code))
    );
}

/// The commands of the README give the Job as many indexes as the list has lines.
#[test]
fn the_job_is_applied_with_a_list() {
    let sandbox = Sandbox::new();
    let readme = fs::read_to_string(deploy::file("kubernetes/README.md")).expect("the README");
    let block = readme.split("```sh\n").nth(1).expect("commands");
    let block = block.split("```").next().expect("commands");
    sandbox.write("references.txt", "registry.example/app:v1\n".repeat(7));
    let job = fs::read(deploy::file("kubernetes/backfill.yaml")).expect("a manifest");
    sandbox.write("backfill.yaml", job);
    let kubectl = "#!/bin/sh\necho \"$*\"\ncase $* in 'apply -f -') cat ;; esac\n";
    write_program(&sandbox, "kubectl", kubectl);
    let shell = sandbox.program("sh").args(["-ec", block]);
    let done = with_bin(&sandbox, shell).run().succeeds();
    let made = fs::read_to_string(sandbox.path().join("images.yaml")).expect("a ConfigMap");
    assert!(made.starts_with("create configmap soci-images --from-file=references="));
    let applied = done.text();
    assert!(applied.contains("apply -f images.yaml\n"), "{applied}");
    assert!(applied.contains("\n  completions: 7\n"), "{applied}");
    assert_eq!(applied.matches("completions: ").count(), 1, "{applied}");
}

/// Returns the template of the pods of a manifest.
fn pod(file: &str) -> Value {
    let manifests = deploy::parse(file);
    let mut pods = manifests.iter().filter_map(|manifest| {
        let spec = manifest["spec"]["jobTemplate"].get("spec");
        spec.or(manifest.get("spec"))?.get("template").cloned()
    });
    pods.next().expect("a pod")["spec"].clone()
}

/// The pods meet the profile "restricted" of the pod security standards, have a read-only root and
/// no token, and write only to volumes.
#[test]
fn the_pods_have_as_few_rights_as_they_can() {
    for file in ["backfill.yaml", "sweep.yaml", "sweep-ecr.yaml"] {
        let pod = pod(&format!("kubernetes/{file}"));
        assert_eq!(pod["automountServiceAccountToken"], false, "{file}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
        let profile = &pod["securityContext"]["seccompProfile"]["type"];
        assert_eq!(profile, "RuntimeDefault", "{file}");
        let all = ["initContainers", "containers"].map(|name| pod[name].as_array());
        for container in all.into_iter().flatten().flatten() {
            let context = &container["securityContext"];
            let expected = json!({
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            });
            assert_eq!(*context, expected, "{file}");
            for kind in ["requests", "limits"] {
                for name in ["cpu", "memory"] {
                    assert!(container["resources"][kind][name].is_string(), "{file}");
                }
            }
        }
        let volumes = pod["volumes"].as_array().expect("volumes");
        assert!(volumes.iter().all(|volume| volume["hostPath"].is_null()));
        let store = volumes.iter().find(|volume| volume["name"] == "store");
        assert!(store.expect("a store")["emptyDir"].is_object(), "{file}");
    }
}

/// The pods of a sweep, whose volumes are folders of a sandbox.
struct Sweep {
    sandbox: Sandbox,
    pod: Value,
}

impl Sweep {
    fn new(file: &str, repositories: &str) -> Self {
        let sandbox = Sandbox::new();
        install_tools(&sandbox.path().join("bin"), "soci");
        sandbox.write("repositories", repositories);
        fs::create_dir(sandbox.path().join("lists")).expect("a new folder");
        Self {
            sandbox,
            pod: pod(file),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path().join(name)
    }

    /// Returns the command of a container.
    fn container(&self, kind: &str, set: &[(&str, String)]) -> Tool {
        let path = |name: &str| self.path(name).display().to_string();
        let mut variables = vec![
            ("LISTS", path("lists")),
            ("REPOSITORIES", path("repositories")),
            ("REGISTRY_AUTH_FILE", path("auth.json")),
        ];
        variables.extend_from_slice(set);
        container(&self.sandbox, &self.pod[kind][0], &variables)
    }

    /// Lists the tags, and returns the lines of the list.
    #[track_caller]
    fn list(&self) -> Vec<String> {
        self.container("initContainers", &[]).run().succeeds();
        let list = fs::read_to_string(self.path("lists/tags")).expect("a list");
        list.lines().map(str::to_owned).collect()
    }
}

/// Returns the number of requests so far.
fn requests(registry: &Registry) -> usize {
    registry.log().matches(" HTTP/1.1\" ").count()
}

/// A sweep of all tags of two repositories indexes each image once. The second one makes nothing
/// new, and with tags that never move, it sends no request for what is done.
#[test]
fn a_sweep_indexes_all_tags_of_the_repositories() {
    let registry = Registry::distribution();
    let images = [("app:v1", 1), ("app:v2", 2), ("web:v1", 3)];
    let images = images.map(|(name, seed)| publish(&registry, name, seed));
    let host = registry.host();
    let sweep = Sweep::new("kubernetes/sweep.yaml", &format!("{host}/app\n{host}/web"));
    sweep.sandbox.write("auth.json", "{}");
    trust_plain_http(&sweep.sandbox, &registry);
    assert_eq!(sweep.list(), images);
    let done = sweep.container("containers", &[]).run().succeeds();
    assert_eq!(done.documents().len(), 3);
    let digest = digest_of(&registry, "web", "v1-soci");

    let listed = sweep.list();
    assert!(
        listed.contains(&format!("{}-soci", images[0])),
        "{listed:?}"
    );
    let before = requests(&registry);
    let again = sweep.container("containers", &[]).run().succeeds();
    let sent = requests(&registry) - before;
    // 9 or 10 for each. The registry may write a line after it has answered, so that the list of the
    // tags is counted, too.
    assert!(sent <= 3 * 14, "{sent} requests for 3 unchanged images");
    let documents = again.documents();
    assert_eq!(documents.len(), 3);
    for document in &documents {
        assert_eq!(document["push"]["uploaded"], 0, "{document}");
    }
    assert_eq!(digest_of(&registry, "web", "v1-soci"), digest);

    let new = publish(&registry, "web:v2", 4);
    sweep.list();
    let immovable = [("TAGS_MOVE", "false".to_owned())];
    let next = sweep.container("containers", &immovable).run().succeeds();
    let [document] = &next.documents()[..] else {
        panic!("not one document: {}", next.text());
    };
    assert_eq!(document["image"], new);
}

/// A repository that does not exist fails the sweep before an image is read, and an image that
/// fails does not keep the others from being indexed.
#[test]
fn a_sweep_that_fails_fails_the_job() {
    let registry = Registry::distribution();
    let image = publish(&registry, "app:v1", 1);
    let host = registry.host();
    let sweep = Sweep::new("kubernetes/sweep.yaml", &format!("{host}/missing\n"));
    trust_plain_http(&sweep.sandbox, &registry);
    let listing = sweep.container("initContainers", &[]).run();
    assert_ne!(listing.code(), 0);
    let listing = listing.says("Error listing repository tags");
    assert!(!listing.stderr.contains("HTTPS"), "{}", listing.stderr);
    let list = format!("{host}/app:missing\n{image}\n");
    sweep.sandbox.write("lists/tags", list);
    let swept = sweep.container("containers", &[]).run();
    assert_ne!(swept.code(), 0, "{}", swept.stderr);
    assert_eq!(swept.done().len(), 1, "{}", swept.text());
    digest_of(&registry, "app", "v1-soci");
}

/// The list of ECR's tags has what its API returns, by the command line of AWS.
#[test]
fn a_sweep_of_ecr_lists_all_tags() {
    let moto = Moto::start();
    let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let repositories = format!("{host}/team/app\n{host}/empty\n");
    let sweep = Sweep::new("kubernetes/sweep-ecr.yaml", &repositories);
    let aws = |arguments: &[&str]| {
        let aws = sweep.sandbox.program(deploy::program("aws"));
        let aws = aws.args(["ecr", "--region", "eu-west-1"]).args(arguments);
        moto.configure(aws).run().succeeds();
    };
    for name in ["team/app", "empty"] {
        aws(&["create-repository", "--repository-name", name]);
    }
    for tag in ["v1", "v2"] {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": crate::read_back::OCI_MANIFEST,
            "config": {"mediaType": tag, "size": 2, "digest": format!("sha256:{}", "1".repeat(64))},
            "layers": [],
        });
        let manifest = manifest.to_string();
        let image = ["--image-tag", tag, "--image-manifest", &manifest];
        aws(&[&["put-image", "--repository-name", "team/app"][..], &image].concat());
    }
    std::os::unix::fs::symlink(deploy::program("aws"), sweep.path("bin/aws")).expect("a link");
    let list = moto.configure(sweep.container("initContainers", &[]));
    list.run().succeeds();
    let listed = fs::read_to_string(sweep.path("lists/tags")).expect("a list");
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let expected = ["v1", "v2"].map(|tag| format!("{host}/team/app:{tag}"));
    assert_eq!(listed, expected);
    // The rest of the pod is that of the other sweep.
    let other = pod("kubernetes/sweep.yaml");
    assert_eq!(
        sweep.pod["containers"][0]["args"],
        other["containers"][0]["args"]
    );
}
