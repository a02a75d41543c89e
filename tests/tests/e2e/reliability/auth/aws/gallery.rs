//! ECR Public: tokens from us-east-1, and anonymous access.

use soci_testkit::{
    aws,
    faulty::{Fault, Faulty, Habit, Reply, Rule},
    namespace,
    process::Sandbox,
};

use super::{
    PASSWORD, USER, assert_hidden, assert_no_secret, pull, registry_with_layers, with_ca_file,
};
use crate::stages::Stages;

const GALLERY: &str = "public.ecr.aws";

fn setup() -> soci_testkit::faulty::Setup {
    Faulty::setup()
        .ecr()
        .habit(Habit::NoHeadOfBlobs)
        .tls(&[GALLERY])
        .port(443)
}

/// A4: ECR Public takes a token of us-east-1 in every region.
#[test]
fn exchanges_a_us_east_1_token_for_one_of_ecr_public() {
    namespace::isolated(&[GALLERY], || {
        let realm = format!("https://{GALLERY}/token");
        let registry = registry_with_layers(setup().bearer(USER, PASSWORD).realm(&realm), &[3000]);
        let api = aws::start_with_handler(Faulty::setup(), |request| {
            aws::authorization_token(request, USER, PASSWORD)
        });
        let sandbox = Sandbox::new();
        let stages = Stages::of(&sandbox, &[format!("{GALLERY}/app:v1")]);
        let run = stages.run_with(|tool| {
            aws::use_endpoint(with_ca_file(tool, &registry), &api)
                .env("AWS_REGION", "eu-west-1")
                .env("SOCI_VERBOSE", "2")
        });
        assert_hidden("stderr", run.stderr().as_bytes());
        run.succeeds();
        for asked in api.requests() {
            let request = asked.request;
            let target = request.header("x-amz-target");
            assert_eq!(target, Some("SpencerFrontendService.GetAuthorizationToken"));
            let signed = request.header("authorization").expect("a signature");
            assert!(signed.contains("/us-east-1/ecr-public/"), "{signed}");
        }
    });
}

/// A4: ECR Public can be read without AWS credentials, or with some that do not suffice.
#[test]
fn reads_ecr_public_without_credentials() {
    namespace::isolated(&[GALLERY], || {
        let registry = registry_with_layers(setup(), &[3000]);
        let challenge = format!(
            "Bearer realm=\"https://{GALLERY}/token/\",service=\"{GALLERY}\",scope=\"aws\""
        );
        let refusal = Reply::error(401, "UNAUTHORIZED", "Not Authorized");
        let refusal = Fault::reply(refusal.header("WWW-Authenticate", challenge));
        let unknown = |request: &soci_testkit::faulty::Request| {
            request.header("authorization") != Some("Bearer canary-anybody")
        };
        registry.rule(Rule::on("*", "/v2/*", refusal).when(unknown));
        let token = Reply::new(200).body(r#"{"token":"canary-anybody"}"#);
        registry.fault("GET", "/token/", Fault::reply(token));
        let api = aws::start_with_handler(Faulty::setup(), |_| {
            aws::json_error(
                400,
                "AccessDeniedException",
                "not authorized to perform: sts:GetServiceBearerToken",
            )
        });
        let sandbox = Sandbox::new();
        let reference = format!("{GALLERY}/app:v1");
        // Without AWS credentials, and with some that do not permit ECR Public.
        let ended = with_ca_file(pull(&sandbox, &reference), &registry)
            .run()
            .succeeds();
        assert_no_secret(&sandbox, &[&ended]);
        let tool = with_ca_file(pull(&sandbox, &reference), &registry);
        let ended = aws::use_endpoint(tool, &api).run().succeeds();
        let ended = ended
            .says("accessed without credentials")
            .says("sts:GetServiceBearerToken");
        assert_no_secret(&sandbox, &[&ended]);
        // The `config.json` of a workstation is mounted, where another helper is installed.
        let config = r#"{"credsStore": "desktop", "auths": {"public.ecr.aws": {}}}"#;
        sandbox.write("home/.docker/config.json", config);
        let tool = with_ca_file(pull(&sandbox, &reference), &registry);
        let ended = tool.run().succeeds();
        let ended = ended.says("warning: credential helper `docker-credential-desktop` of");
        assert_no_secret(&sandbox, &[&ended]);
        for asked in registry.requests_to("GET", "/token/") {
            assert_eq!(asked.request.header("authorization"), None);
            assert_eq!(asked.request.parameter("service").as_deref(), Some(GALLERY));
            let query = asked.request.query;
            assert!(query.contains("scope=aws"), "{query}");
        }
    });
}
