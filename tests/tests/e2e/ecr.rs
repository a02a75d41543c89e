//! A registry under a host name of ECR, with TLS and credentials, on a network without other hosts.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;
use soci_testkit::{
    document::tag_names,
    image::{self, Image},
    moto::Moto,
    namespace,
    process::{Finished, Sandbox, Tool},
    registry::{PASSWORD, Registry, Setup, USER},
    wiretap::Wiretap,
};

use crate::stages::{Stages, assert_sound, files_below, layer, stage};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// The user and the password, in the form of ECR's token and of HTTP Basic.
const TOKEN: &str = "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu";

/// The secret part of an AWS key.
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/e2eSECRETKEY";

/// Starts a registry with this host name, with an image in it.
fn ecr() -> Registry {
    let registry = Setup::distribution()
        .basic_auth()
        .tls(&[ECR])
        .port(443)
        .start();
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    image::write_layout(&folder, &[Image::new("linux/amd64").layer(layer(1, 3000))]);
    registry.push(&folder, "app:v1");
    registry
}

fn reference() -> String {
    format!("{ECR}/app:v1")
}

fn with_ca_file(tool: Tool, registry: &Registry) -> Tool {
    tool.env("SOCI_CA_FILE", registry.ca_file())
}

fn pull(sandbox: &Sandbox) -> Tool {
    stage(sandbox, "soci-pull").arg(reference())
}

/// Asserts that no secret shows in a tool's messages, or in a file of the sandbox's store.
#[track_caller]
fn assert_secret(sandbox: &Sandbox, said: &[&[u8]], secrets: &[&str]) {
    let files = files_below(&sandbox.store()).into_iter();
    let files: Vec<Vec<u8>> = files
        .map(|file| fs::read(file).expect("a readable file"))
        .collect();
    for text in said.iter().copied().chain(files.iter().map(Vec::as_slice)) {
        for secret in secrets {
            let shows = text
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(
                !shows,
                "`{secret}` shows in:\n{}",
                String::from_utf8_lossy(text)
            );
        }
    }
}

#[test]
fn gets_a_token_for_the_region_in_the_host_name() {
    namespace::isolated(&[ECR], || {
        let registry = ecr();
        let moto = Moto::start();
        let tap = Wiretap::in_front_of(&moto.url());
        let sandbox = Sandbox::new();
        let run = Stages::of(&sandbox, &[reference()]).run_with(|tool| {
            with_ca_file(moto.configure(tool), &registry)
                .env("AWS_ENDPOINT_URL", tap.url())
                .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
                .env("AWS_REGION", "us-east-1")
                .env("SOCI_VERBOSE", "2")
        });
        let said = run.stderr();
        let secrets = [PASSWORD, TOKEN, SECRET_KEY];
        assert_secret(&sandbox, &[said.as_bytes(), run.stdout()], &secrets);
        let document = run.succeeds_for_one();
        let tag = format!("{ECR}/app:v1-soci");
        assert_eq!(tag_names(&document), json!([tag]));
        let heard = tap.received();
        assert!(heard.contains("GetAuthorizationToken"), "{heard}");
        assert!(heard.contains("/eu-west-1/ecr/aws4_request"), "{heard}");
        assert!(!heard.contains("us-east-1"), "{heard}");
        assert!(!moto.log().is_empty());
        // Skopeo reads the image by its new tag.
        let skopeo = Sandbox::new();
        let authfile = json!({"auths": {ECR: {"auth": TOKEN}}}).to_string();
        let authfile = skopeo.write("auth.json", authfile);
        let inspect = skopeo.program("skopeo").args([
            "inspect",
            "--raw",
            &format!("docker://{ECR}/app:v1-soci"),
        ]);
        let inspect = inspect
            .env("REGISTRY_AUTH_FILE", authfile)
            .env("SSL_CERT_FILE", registry.ca_file());
        let found = inspect.run().succeeds();
        assert_eq!(
            image::digest(&found.stdout),
            document["converted"]["digest"]
        );
        assert_sound(&sandbox.store());
    });
}

#[test]
fn names_the_sources_without_credentials() {
    namespace::isolated(&[ECR], || {
        let registry = ecr();
        let sandbox = Sandbox::new();
        let ended = with_ca_file(pull(&sandbox), &registry).run().ends_with(77);
        let ended = ended.says(&format!("soci-pull: error: {}: ", reference()));
        let ended = ended.says("SOCI_USERNAME and SOCI_PASSWORD: not set");
        let ended = ended
            .says(".docker/config.json`: not found")
            .says("AWS: no credentials");
        ended.writes_only_its_failure();
        assert_sound(&sandbox.store());
    });
}

#[test]
fn denies_a_wrong_password_without_showing_it() {
    namespace::isolated(&[ECR], || {
        let registry = ecr();
        let sandbox = Sandbox::new();
        let wrong = "not-the-password";
        let tool = with_ca_file(pull(&sandbox), &registry).env("SOCI_USERNAME", USER);
        let ended = tool
            .env("SOCI_PASSWORD", wrong)
            .env("SOCI_VERBOSE", "2")
            .run()
            .ends_with(77);
        let ended = ended.says("denied").says(ECR);
        ended.writes_only_its_failure();
        assert_secret(&sandbox, &[ended.stderr.as_bytes()], &[wrong]);
    });
}

#[test]
fn denies_an_unusable_aws_profile() {
    namespace::isolated(&[ECR], || {
        let registry = ecr();
        let sandbox = Sandbox::new();
        // An incomplete key is an error, instead of anonymous access.
        sandbox.write(
            "home/.aws/credentials",
            "[default]\naws_access_key_id = a\n",
        );
        let tool = with_ca_file(pull(&sandbox), &registry);
        let ended: Finished = tool.run().ends_with(77).says("AWS");
        ended.writes_only_its_failure();
    });
}

#[test]
fn names_the_option_for_an_unknown_authority() {
    namespace::isolated(&[ECR], || {
        let _registry = ecr();
        let sandbox = Sandbox::new();
        let tool = pull(&sandbox)
            .env("SOCI_USERNAME", USER)
            .env("SOCI_PASSWORD", PASSWORD);
        let ended = tool
            .run()
            .ends_with(69)
            .says("--ca-file")
            .says("not signed by an authority");
        assert_secret(&sandbox, &[ended.stderr.as_bytes()], &[PASSWORD, TOKEN]);
    });
}

/// A credential helper that knows the registry, and fails for any other request.
const HELPER: &str = "#!/bin/sh
read -r server
[ \"$1\" = get ] || exit 1
case $server in
  https://REGISTRY|REGISTRY) printf '{\"ServerURL\": \"%s\", \"Username\": \"AWS\", \"Secret\": \"PASSWORD\"}' \"$server\" ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
";

#[test]
fn asks_the_credential_helper_of_the_docker_configuration() {
    namespace::isolated(&[ECR], || {
        let registry = ecr();
        let sandbox = Sandbox::new();
        let config = json!({"credHelpers": {ECR: "e2e"}}).to_string();
        sandbox.write("home/.docker/config.json", config);
        let script = HELPER
            .replace("REGISTRY", ECR)
            .replace("PASSWORD", PASSWORD);
        let helper = sandbox.write("bin/docker-credential-e2e", script);
        fs::set_permissions(helper, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", sandbox.path().join("bin").display());
        let stages = Stages::of(&sandbox, &[reference()]);
        let run = stages.run_with(|tool| {
            with_ca_file(tool, &registry)
                .env("PATH", &path)
                .env("SOCI_VERBOSE", "2")
        });
        let said = run.stderr();
        assert_secret(
            &sandbox,
            &[said.as_bytes(), run.stdout()],
            &[PASSWORD, TOKEN],
        );
        let document = run.succeeds_for_one();
        assert_eq!(document["push"]["repository"], format!("{ECR}/app"));
    });
}
