//! Sources of AWS credentials, and the AWS API, that are absent, fail, or are at the wrong address.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use soci_testkit::{
    aws,
    faulty::{Faulty, Reply},
    namespace,
    network::{add_addresses, add_host, drop_packets_to},
    process::{Finished, Sandbox, Tool},
};

use super::{
    ECR, PASSWORD, USER, api, assert_fails, assert_no_secret, ecr, pull, reference, with_ca_file,
};

/// The addresses that give credentials to an instance, to a container of ECS and to a pod of EKS.
const INSTANCE: &str = "169.254.169.254";
const CONTAINER: &str = "169.254.170.2";
const POD: &str = "169.254.170.23";

/// How long a pull may take. The SDK itself makes some requests three times, with waits.
const DEADLINE: Duration = Duration::from_secs(30);

/// Pulls from a registry of ECR with the settings that `set` adds.
fn pulled(sandbox: &Sandbox, registry: &Faulty, set: impl Fn(Tool) -> Tool) -> Finished {
    let started = Instant::now();
    let tool = with_ca_file(pull(sandbox, &reference()), registry);
    let ended = set(tool).run();
    let elapsed = started.elapsed();
    assert!(elapsed < DEADLINE, "{elapsed:?}: {}", ended.stderr);
    ended
}

#[track_caller]
fn assert_pulls(registry: &Faulty, set: impl Fn(Tool) -> Tool) {
    let sandbox = Sandbox::new();
    let ended = pulled(&sandbox, registry, set).succeeds();
    assert_no_secret(&sandbox, &[&ended]);
}

#[track_caller]
fn assert_denied(registry: &Faulty, says: &[&str], set: impl Fn(Tool) -> Tool) {
    let sandbox = Sandbox::new();
    let ended = pulled(&sandbox, registry, set);
    assert_fails(&sandbox, ended, 77, says);
    let shown = registry.requests().into_iter();
    let mut shown =
        shown.filter_map(|entry| entry.request.header("authorization").map(str::to_owned));
    assert_eq!(shown.next(), None);
}

/// Sets the server that gives ECR's tokens.
fn tokens_from(tool: Tool, api: &Faulty) -> Tool {
    tool.env("AWS_ENDPOINT_URL_ECR", api.url())
}

fn service(
    address: &str,
    answer: impl Fn(&soci_testkit::faulty::Request) -> Reply + Send + Sync + 'static,
) -> Faulty {
    add_addresses(&[address]);
    aws::start_with_handler(Faulty::setup().address(address).port(80), answer)
}

/// A11: a machine without a metadata service loses seconds at most.
#[test]
fn gives_up_on_a_missing_metadata_service_within_seconds() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        add_addresses(&[INSTANCE]);
        drop_packets_to(INSTANCE);
        let started = Instant::now();
        let says = ["AWS: no credentials found in environment, profile `default`, web identity,"];
        assert_denied(&registry, &says, |tool| tool);
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    });
}

/// A11: the metadata service is the last source of credentials, and is never reached through the
/// proxy.
#[test]
fn asks_the_metadata_service_last() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let instance = service(INSTANCE, aws::instance_metadata);
        assert_pulls(&registry, |tool| aws::use_endpoint(tool, &api));
        assert!(instance.requests().is_empty(), "{}", instance.log());
        // As the only source it is asked with its own token, and not through the proxy.
        assert_pulls(&registry, |tool| {
            tokens_from(tool, &api).env("HTTP_PROXY", "http://127.0.0.1:9")
        });
        let asked = instance.requests();
        assert_eq!(asked[0].request.method, "PUT", "{}", instance.log());
        assert_eq!(instance.count("GET", "*/security-credentials/*"), 2);
        let signed = api.requests().pop().expect("a request").request;
        assert_eq!(
            signed.header("x-amz-security-token"),
            Some("canary-session")
        );
    });
}

/// A11: a metadata service that refuses is named in the error.
#[test]
fn names_a_metadata_service_that_refuses() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        for status in [401, 403] {
            let instance = service(INSTANCE, move |_| Reply::new(status));
            let says = [
                "AWS: the metadata service of the instance (IMDS)",
                "answered status",
            ];
            assert_denied(&registry, &says, |tool| tool);
            assert!(instance.requests().len() <= 4, "{}", instance.log());
        }
        // A metadata service without a role has no credentials, which is not an error.
        let instance = service(INSTANCE, |request| {
            if request.is("GET", "*/security-credentials/*") {
                return Reply::new(404);
            }
            aws::instance_metadata(request)
        });
        assert_denied(&registry, &["AWS: no credentials"], |tool| tool);
        drop(instance);
    });
}

/// A11: credentials that a service sends byte by byte are not awaited to their end.
#[test]
fn gives_up_on_credentials_that_trickle() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let container = service(CONTAINER, |_| {
            aws::temporary_credentials().drip(1, Duration::from_millis(200))
        });
        let says = ["AWS: the credentials of the container"];
        assert_denied(&registry, &says, |tool| {
            tool.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/task/1")
        });
        assert!(container.requests().len() <= 4, "{}", container.log());
    });
}

/// A11: the credentials of an ECS task and of an EKS pod are used.
#[test]
fn uses_the_credentials_of_a_container() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let relative = |tool: Tool| {
            tokens_from(tool, &api).env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/task/1")
        };
        let broken = service(CONTAINER, |_| Reply::new(500));
        assert_denied(
            &registry,
            &["AWS: the credentials of the container", "status 500"],
            relative,
        );
        assert!(broken.requests().len() <= 4, "{}", broken.log());
        drop(broken);
        let container = service(CONTAINER, |_| aws::temporary_credentials());
        let pod = service(POD, |_| aws::temporary_credentials());
        assert_pulls(&registry, relative);
        assert_eq!(container.count("GET", "/task/1"), 1);
        assert_pulls(&registry, |tool| {
            tokens_from(tool, &api)
                .env(
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    format!("http://{POD}/v1"),
                )
                .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-pod-token")
                .env("HTTP_PROXY", "http://127.0.0.1:9")
        });
        let shown = pod.requests()[0].request.clone();
        assert_eq!(shown.header("authorization"), Some("canary-pod-token"));
    });
}

/// A11: no credentials are requested from a public host over plain HTTP.
#[test]
fn requests_no_credentials_from_public_hosts_over_plain_http() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let requests = api.requests().len();
        let public = "203.0.113.7";
        add_host("credentials.example", &[public]);
        let world = service(public, |_| aws::temporary_credentials());
        for host in [public, "credentials.example"] {
            assert_denied(
                &registry,
                &["AWS: the credentials of the container"],
                |tool| {
                    tokens_from(tool, &api)
                        .env(
                            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                            format!("http://{host}/"),
                        )
                        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-pod-token")
                },
            );
        }
        assert!(world.requests().is_empty(), "{}", world.log());
        assert_eq!(api.requests().len(), requests);
    });
}

/// A11: a web identity token is exchanged for credentials; a missing file or an expired token is
/// reported.
#[test]
fn uses_a_web_identity() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let files = Sandbox::new();
        let file = files.write("token", "canary-web-identity");
        let missing = files.path().join("missing");
        let identity = |tool: Tool, file: &std::path::Path, sts: &Faulty| {
            tokens_from(tool, &api)
                .env("AWS_ENDPOINT_URL_STS", sts.url())
                .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/builder")
                .env("AWS_WEB_IDENTITY_TOKEN_FILE", file)
        };
        let sts = aws::start_with_handler(Faulty::setup(), |_| aws::assumed_role());
        let says = ["AWS: web identity", "No such file"];
        assert_denied(&registry, &says, |tool| identity(tool, &missing, &sts));
        assert!(sts.requests().is_empty(), "{}", sts.log());
        let expired = aws::start_with_handler(Faulty::setup(), |_| {
            aws::sts_error(
                "ExpiredTokenException",
                "Token expired: current date/time 1 must be before 0",
            )
        });
        let says = [
            "identity token has expired",
            "Token expired",
            "in the same job",
        ];
        assert_denied(&registry, &says, |tool| identity(tool, &file, &expired));
        assert!(expired.requests().len() <= 3, "{}", expired.log());
        assert_pulls(&registry, |tool| identity(tool, &file, &sts));
        assert_eq!(sts.requests().len(), 1, "{}", sts.log());
    });
}

/// Starts an API that refuses the first requests.
fn refusing(times: usize, status: u16, code: &'static str, message: &'static str) -> Faulty {
    let asked = Arc::new(AtomicUsize::new(0));
    aws::start_with_handler(Faulty::setup(), move |request| {
        if asked.fetch_add(1, Ordering::SeqCst) < times {
            aws::json_error(status, code, message)
        } else {
            aws::authorization_token(request, USER, PASSWORD)
        }
    })
}

/// A11: a throttled AWS API is asked again, and then fails with the status for "try again".
#[test]
fn retries_a_throttled_aws_api() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = refusing(2, 400, "ThrottlingException", "Rate exceeded");
        assert_pulls(&registry, |tool| aws::use_endpoint(tool, &api));
        assert_eq!(api.requests().len(), 3, "{}", api.log());
        let api = refusing(usize::MAX, 400, "ThrottlingException", "Rate exceeded");
        let sandbox = Sandbox::new();
        let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
        // This is not a denial, since it works later.
        assert_fails(&sandbox, ended, 75, &["throttled", "Rate exceeded"]);
        assert_eq!(api.requests().len(), 3, "{}", api.log());
    });
}

/// A11: a denial by the AWS API names the missing IAM action.
#[test]
fn names_the_missing_iam_action() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let denial = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecr:GetAuthorizationToken";
        let api = refusing(usize::MAX, 400, "AccessDeniedException", denial);
        let says = [
            "AWS: status 400 AccessDeniedException",
            denial,
            "the caller needs ecr:GetAuthorizationToken",
        ];
        assert_denied(&registry, &says, |tool| aws::use_endpoint(tool, &api));
        assert_eq!(api.requests().len(), 1, "{}", api.log());
    });
}

/// A11: an AWS API that fails or cannot be reached is an outage.
#[test]
fn reports_an_aws_api_that_is_unavailable() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = refusing(usize::MAX, 500, "ServerException", "internal");
        let sandbox = Sandbox::new();
        let ended = pulled(&sandbox, &registry, |tool| aws::use_endpoint(tool, &api));
        assert_fails(&sandbox, ended, 69, &["internal"]);
        let ended = pulled(&sandbox, &registry, |tool| {
            aws::use_endpoint(tool, &api).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        });
        assert_fails(&sandbox, ended, 69, &["AWS"]);
    });
}

/// CI systems set a variable to the empty text if a user gives no value.
#[test]
fn empty_variables_count_as_not_set() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let instance = service(INSTANCE, aws::instance_metadata);
        assert_pulls(&registry, |tool| {
            let empty = [
                "AWS_ACCESS_KEY_ID",
                "AWS_CONFIG_FILE",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                "AWS_PROFILE",
                "AWS_REGION",
                "AWS_ROLE_ARN",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_SESSION_TOKEN",
                "AWS_SHARED_CREDENTIALS_FILE",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "DOCKER_CONFIG",
                "HTTPS_PROXY",
                "NO_PROXY",
                "REGISTRY_AUTH_FILE",
                "SOCI_PASSWORD",
                "SOCI_PLAIN_HTTP",
                "SOCI_USERNAME",
            ];
            let tool = tokens_from(tool, &api);
            empty.iter().fold(tool, |tool, name| tool.env(name, ""))
        });
        assert!(!instance.requests().is_empty(), "{}", instance.log());
    });
}
