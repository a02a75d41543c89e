//! The tokens of ECR, and the AWS credentials behind them.

mod chain;
mod gallery;
mod order;

use soci_testkit::{
    aws,
    faulty::{Fault, Faulty, Rule},
    namespace,
    process::{Sandbox, Tool},
};

use super::{PASSWORD, USER, app, assert_fails, pull, registry_with_layers, with_short_waits};
use crate::{
    reliability::secrets::{assert_hidden, assert_no_secret},
    stages::{Stages, indexed, stage},
};

pub(crate) const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Starts a registry that behaves as ECR under a host name, with an image in it.
fn ecr(name: &str) -> Faulty {
    let setup = Faulty::setup().ecr().basic(USER, PASSWORD);
    registry_with_layers(setup.tls(&[name]).port(443), &[3000])
}

/// Starts an AWS API that gives the registry's password.
fn api() -> Faulty {
    aws::start_with_handler(Faulty::setup(), |request| {
        aws::authorization_token(request, USER, PASSWORD)
    })
}

fn reference() -> String {
    format!("{ECR}/app:v1")
}

fn with_ca_file(tool: Tool, registry: &Faulty) -> Tool {
    with_short_waits(tool).env("SOCI_CA_FILE", registry.ca_file())
}

/// The request that meets an expired token: methods, path, and how many such requests succeed
/// before.
const EXPIRED: [(&str, &str, usize); 7] = [
    ("GET", "*/manifests/*", 0),
    ("GET", "*/manifests/*", 1),
    ("GET", "*/blobs/*", 0),
    ("HEAD", "*/manifests/*", 0),
    ("POST", "*/blobs/uploads/*", 1),
    ("PUT", "*/blobs/uploads/*", 0),
    ("PUT", "*/manifests/*", 1),
];

/// A4: a token of ECR that expired is replaced once, whichever request meets it first.
#[test]
fn replaces_an_expired_ecr_token_once() {
    namespace::isolated(&[ECR], || {
        for (methods, glob, skip) in EXPIRED {
            let registry = ecr(ECR);
            let api = api();
            let expired = Fault::expired_authorization();
            let rule = Rule::on(methods, glob, expired).skip(skip).once();
            registry.rule(rule.when(|request| request.header("authorization").is_some()));
            let sandbox = Sandbox::new();
            let stages = Stages::of(&sandbox, &[reference()]);
            let run = stages.run_with(|tool| {
                aws::use_endpoint(with_ca_file(tool, &registry), &api).env("SOCI_VERBOSE", "2")
            });
            assert_hidden("stderr", run.stderr().as_bytes());
            run.succeeds();
            let asked: Vec<_> = api.requests();
            // One token for each of the three stages that use the registry, and one that replaces
            // the expired one.
            assert_eq!(
                asked.len(),
                4,
                "{methods} {glob} {skip}:\n{}",
                registry.log()
            );
            assert!(registry.tags("app").contains_key("v1-soci"));
        }
    });
}

/// A4: when the new token counts as expired too, the run ends with ECR's message.
#[test]
fn denies_a_token_that_is_always_expired() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let open = Faulty::setup().sharing(&registry).start();
        let sandbox = Sandbox::new();
        let line = indexed(&sandbox, &app(&open));
        registry.fault("*", "/v2/*", Fault::expired_authorization());
        let with_keys = |tool| aws::use_endpoint(with_ca_file(tool, &registry), &api);
        let ended = with_keys(pull(&sandbox, &reference())).run();
        assert_fails(&sandbox, ended, 77, &["authorization token has expired"]);
        let push = stage(&sandbox, "soci-push").args(["--to", &reference()]);
        let ended = with_keys(push).stdin(line).run();
        assert_fails(&sandbox, ended, 77, &["denied"]);
        assert!(api.requests().len() <= 4, "{}", api.log());
    });
}

/// A4: the registry of another AWS account is read with a token of the caller's own account.
#[test]
fn reads_the_registry_of_another_account() {
    const OTHER: &str = "210987654321.dkr.ecr.eu-west-1.amazonaws.com";
    namespace::isolated(&[OTHER], || {
        let registry = ecr(OTHER);
        let api = api();
        let sandbox = Sandbox::new();
        let tool = pull(&sandbox, &format!("{OTHER}/app:v1"));
        let ended = aws::use_endpoint(with_ca_file(tool, &registry), &api)
            .run()
            .succeeds();
        assert_no_secret(&sandbox, &[&ended]);
        let asked = &api.requests()[0].request;
        assert_eq!(
            asked.header("x-amz-target"),
            Some("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken")
        );
        let signed = asked.header("authorization").expect("a signature");
        assert!(signed.contains("/eu-west-1/ecr/aws4_request"), "{signed}");
    });
}
