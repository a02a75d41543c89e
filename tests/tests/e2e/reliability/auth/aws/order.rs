//! The order of the credential sources of ECR, and what is said about those that fail.

use std::fs;

use serde_json::{Value, json};
use soci_testkit::{
    aws,
    faulty::{Fault, Faulty, Reply, Request, Rule},
    namespace,
    process::{Finished, Sandbox, Tool},
    running::wait_until_dead,
};

use super::{
    ECR, PASSWORD, USER, api, assert_fails, assert_no_secret, ecr, pull, reference, with_ca_file,
};
use crate::stages::Stages;

/// A password of yesterday's `docker login`, and the header that shows it.
const STALE: &str = "canary-yesterday";
const STALE_HEADER: &str = "Basic QVdTOmNhbmFyeS15ZXN0ZXJkYXk=";

/// Writes a `config.json` with a password for the registry.
fn log_in(sandbox: &Sandbox, password: &str) {
    let config = json!({"auths": {ECR: {"username": USER, "password": password}}});
    configure(sandbox, &config);
}

fn configure(sandbox: &Sandbox, config: &Value) {
    sandbox.write("home/.docker/config.json", config.to_string());
}

/// Makes the registry answer the stale password as ECR does after twelve hours.
fn let_stale_password_expire(registry: &Faulty) {
    let rule = Rule::on("*", "/v2/*", Fault::expired_authorization());
    let is_stale = |request: &Request| request.header("authorization") == Some(STALE_HEADER);
    registry.rule(rule.when(is_stale));
}

fn count_stale(registry: &Faulty) -> usize {
    let requests = registry.requests().into_iter();
    let stale =
        requests.filter(|entry| entry.request.header("authorization") == Some(STALE_HEADER));
    stale.count()
}

/// Starts an AWS API that refuses all requests.
fn refusing(code: &'static str, message: &'static str) -> Faulty {
    aws::start_with_handler(Faulty::setup(), move |_| {
        aws::json_error(400, code, message)
    })
}

const EXPIRED: (&str, &str) = (
    "ExpiredTokenException",
    "The security token included in the request is expired",
);

/// Pulls from the registry with the settings that `set` adds.
fn pulled(sandbox: &Sandbox, registry: &Faulty, set: impl Fn(Tool) -> Tool) -> Finished {
    set(with_ca_file(pull(sandbox, &reference()), registry)).run()
}

/// A4: yesterday's `docker login` does not take precedence over AWS credentials, in no stage.
#[test]
fn uses_aws_credentials_before_a_stored_login() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let_stale_password_expire(&registry);
        let api = api();
        let sandbox = Sandbox::new();
        log_in(&sandbox, STALE);
        let stages = Stages::of(&sandbox, &[reference()]);
        let run = stages.run_with(|tool| {
            aws::use_endpoint(with_ca_file(tool, &registry), &api).env("SOCI_VERBOSE", "2")
        });
        let said = run.stderr();
        crate::reliability::secrets::assert_hidden("stderr", said.as_bytes());
        // The most verbose log tells the request for the token.
        assert!(
            said.contains(&format!("POST {}/: 200, ", api.url())),
            "{said}"
        );
        run.succeeds();
        assert_eq!(count_stale(&registry), 0, "{}", registry.log());
        assert!(registry.tags("app").contains_key("v1-soci"));
    });
}

/// A4: a stored login is used if there are no AWS credentials, or if they have expired.
#[test]
fn uses_a_stored_login_after_aws_credentials() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = refusing(EXPIRED.0, EXPIRED.1);
        let sandbox = Sandbox::new();
        log_in(&sandbox, PASSWORD);
        let ended = pulled(&sandbox, &registry, |tool| tool).succeeds();
        assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
        let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
        let ended = ended.succeeds().says("warning: AWS: ").says("have expired");
        assert_no_secret(&sandbox, &[&ended]);
        assert_eq!(api.requests().len(), 1, "{}", api.log());
    });
}

/// A4: an expired login is said to be expired, and shown once.
#[test]
fn says_that_a_stored_login_has_expired() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let_stale_password_expire(&registry);
        let sandbox = Sandbox::new();
        log_in(&sandbox, STALE);
        let ended = pulled(&sandbox, &registry, |tool| tool);
        let says = [
            "authorization token has expired",
            "AWS: no credentials found",
            ".docker/config.json`: rejected (expired)",
            "aws sso login",
            "aws ecr get-login-password --region eu-west-1",
        ];
        assert!(
            !ended.stderr.contains("the caller needs"),
            "{}",
            ended.stderr
        );
        assert_fails(&sandbox, ended, 77, &says);
        assert_eq!(count_stale(&registry), 1, "{}", registry.log());
    });
}

/// A4: a token of AWS that the registry rejects is followed by the stored login.
#[test]
fn uses_a_stored_login_after_a_rejected_token() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = aws::start_with_handler(Faulty::setup(), |request| {
            aws::authorization_token(request, USER, "canary-of-nobody")
        });
        let sandbox = Sandbox::new();
        log_in(&sandbox, PASSWORD);
        let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
        let ended = ended.succeeds().says("warning: AWS: rejected");
        assert_no_secret(&sandbox, &[&ended]);
        assert_eq!(api.requests().len(), 1, "{}", api.log());
    });
}

/// A10: a helper for ECR that is not installed is a warning if there are AWS credentials.
#[test]
fn warns_of_a_missing_helper_for_ecr() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let sandbox = Sandbox::new();
        configure(&sandbox, &json!({"credHelpers": {ECR: "ecr-login"}}));
        let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
        let ended = ended.succeeds();
        let ended = ended.says("warning: credential helper `docker-credential-ecr-login` of");
        assert_no_secret(&sandbox, &[&ended]);
        let ended = pulled(&sandbox, &registry, |tool| tool);
        let says = [
            "`docker-credential-ecr-login` of `",
            ".docker/config.json`: not installed",
            "AWS: no credentials found",
        ];
        assert_fails(&sandbox, ended, 78, &says);
    });
}

/// A11: expired keys are said to be expired, and are tried once.
#[test]
fn says_that_aws_keys_have_expired() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = refusing(EXPIRED.0, EXPIRED.1);
        let sandbox = Sandbox::new();
        let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
        assert!(
            !ended.stderr.contains("the caller needs"),
            "{}",
            ended.stderr
        );
        let says = ["have expired", EXPIRED.1, "set new AWS_ACCESS_KEY_ID"];
        assert_fails(&sandbox, ended, 77, &says);
        assert_eq!(api.requests().len(), 1, "{}", api.log());
    });
}

/// A11: a profile that is not defined is named with the files that were read, and those that are
/// defined are listed.
#[test]
fn names_a_profile_that_is_not_defined() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let sandbox = Sandbox::new();
        sandbox.write("home/.aws/config", "[profile prod]\nregion = eu-west-1\n");
        let with_profile = |tool: Tool| tool.env("AWS_PROFILE", "prdo");
        let ended = pulled(&sandbox, &registry, with_profile);
        let says = [
            "profile `prdo` of AWS_PROFILE is not defined in `",
            "/home/.aws/config`",
            "/home/.aws/credentials` (not found)",
            "(`prod`)",
        ];
        assert_fails(&sandbox, ended, 77, &says);
        // An empty variable counts as not set.
        let ended = pulled(&sandbox, &registry, |tool| tool.env("AWS_PROFILE", ""));
        assert!(!ended.stderr.contains("not defined"), "{}", ended.stderr);
        assert_fails(
            &sandbox,
            ended,
            77,
            &["AWS: no credentials found", "AWS_PROFILE"],
        );
    });
}

/// A profile with SSO, one with a login of the console, and one with a program.
const PROFILES: &str = "
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = builder
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.awsapps.com/start
[profile console]
login_session = arn:aws:iam::123456789012:user/u
[profile program]
credential_process = sh -c 'echo no luck >&2; exit 3'
";

/// A11: the cure fits the kind of the profile.
#[test]
fn names_the_cure_for_each_kind_of_profile() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        for (profile, says) in [
            (
                "sso",
                ["no valid SSO session", "run `aws sso login --profile sso`"],
            ),
            (
                "console",
                [
                    "`login_session`",
                    "aws configure export-credentials --profile console",
                ],
            ),
            (
                "program",
                ["no luck", "credential_process of profile `program`"],
            ),
        ] {
            let sandbox = Sandbox::new();
            sandbox.write("home/.aws/config", PROFILES);
            let ended = pulled(&sandbox, &registry, |tool| {
                tool.env("AWS_PROFILE", profile)
                    .env("PATH", "/usr/bin:/bin")
            });
            assert_fails(&sandbox, ended, 77, &says);
        }
    });
}

/// A11: a program that gives AWS credentials and hangs is killed, with what it has started.
#[test]
fn kills_a_credential_program_that_hangs() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let sandbox = Sandbox::new();
        let numbers = sandbox.path().join("numbers");
        let hang = format!(
            "[default]\ncredential_process = sh -c 'sleep 1000 & echo $$ $! > {}; wait'\n",
            numbers.display()
        );
        sandbox.write("home/.aws/config", hang);
        let ended = pulled(&sandbox, &registry, |tool| {
            tool.env("PATH", "/usr/bin:/bin")
                .env("SOCI_HELPER_TIMEOUT", "3")
        });
        let says = [
            "AWS: the credential_process of profile `default` gave no answer within 3 s",
            "--helper-timeout",
        ];
        assert_fails(&sandbox, ended, 77, &says);
        let numbers = fs::read_to_string(numbers).expect("the numbers of the processes");
        assert_eq!(numbers.split_whitespace().count(), 2);
        numbers.split_whitespace().for_each(wait_until_dead);
    });
}

/// A5: a permission is named if ECR's answer names it, and not otherwise.
#[test]
fn names_the_permission_that_ecr_names() {
    const DENIED: &str = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecr:BatchGetImage on \
        resource: arn:aws:ecr:eu-west-1:123456789012:repository/app because no resource-based policy allows \
        the ecr:BatchGetImage action";
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let denied = |message: &'static str| {
            registry.clear_rules();
            registry.fault("*", "/v2/*", Fault::error(403, "DENIED", message));
            let sandbox = Sandbox::new();
            let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
            (sandbox, ended)
        };
        let (sandbox, ended) = denied(DENIED);
        let says = [
            "the caller needs ecr:BatchGetImage on the repository, from",
            "from the policy of that repository too",
        ];
        assert_fails(&sandbox, ended, 77, &says);
        let (sandbox, ended) = denied("the scanner has quarantined the image");
        assert!(!ended.stderr.contains("ecr:"), "{}", ended.stderr);
        assert_fails(&sandbox, ended, 77, &["quarantined"]);
    });
}

/// A4: a wrong account or region looks like a missing repository, and the hint says so.
#[test]
fn names_account_and_region_of_a_missing_repository() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let message =
            "The repository with name 'app' does not exist in the registry with id '123456789012'";
        let missing = Reply::error(404, "NAME_UNKNOWN", message);
        registry.fault("*", "/v2/*", Fault::reply(missing));
        let sandbox = Sandbox::new();
        let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
        let says = ["account 123456789012", "region eu-west-1"];
        assert_fails(&sandbox, ended, 80, &says);
        // No registry has this host name.
        let sandbox = Sandbox::new();
        let typo = "123456789012.dkr.ecr.eu-wset-1.amazonaws.com/app:v1";
        let ended = with_ca_file(pull(&sandbox, typo), &registry).run();
        assert_fails(&sandbox, ended, 69, &["check the region `eu-wset-1`"]);
    });
}
