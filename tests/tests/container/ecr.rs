//! The command of README.md for an image in Amazon ECR, as a user copies it.

use std::fs;

use serde_json::json;
use soci_testkit::{document::tag_names, moto::Moto, process::Sandbox, registry::Setup, workspace};

use super::{DOCKER, IMAGE, push_image};

/// The registry of the command.
const ECR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";

/// Keys of AWS, which moto takes.
const CREDENTIALS: &str = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n";

/// Returns the command, with these options and the image under test.
fn command_of_readme(options: &str) -> String {
    let readme = fs::read_to_string(workspace::root().join("README.md")).expect("README.md");
    let mut commands = readme.split("```").filter_map(|block| {
        let start = block.find("docker run --rm ")?;
        block.contains(ECR).then(|| block[start..].to_owned())
    });
    let command = commands.next().expect("a command for an image in ECR");
    command
        .replacen("docker run --rm", &format!("docker run --rm {options}"), 1)
        .replacen(" soci-tools ", &format!(" {IMAGE} "), 1)
}

#[test]
fn the_command_of_the_readme_indexes_an_image_with_the_credentials_of_aws() {
    let sandbox = Sandbox::new();
    let setup = Setup::distribution().basic_auth().tls(&[ECR]);
    let registry = setup.port(443).start();
    push_image(&registry);
    let moto = Moto::start();
    sandbox.write("home/.aws/credentials", CREDENTIALS);
    let options = [
        "--network host".to_owned(),
        format!("--add-host {ECR}:127.0.0.1"),
        format!("--volume {}:/ca.pem:ro", registry.ca_file().display()),
        format!("--env AWS_ENDPOINT_URL={}", moto.url()),
        "--env SOCI_CA_FILE=/ca.pem --env MIN_LAYER_SIZE=0".to_owned(),
    ];
    let shell = sandbox.program("sh").arg("-ec");
    let shell = shell.arg(command_of_readme(&options.join(" ")));
    let run = DOCKER.with_host(shell).run();
    let [document] = &run.succeeds().documents()[..] else {
        panic!("not one document");
    };
    assert_eq!(tag_names(document), json!([format!("{ECR}/app:v1-soci")]));
    assert!(moto.log().contains("POST"), "{}", moto.log());
}
