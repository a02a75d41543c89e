//! Row A11: sources of AWS credentials, and the API behind them, that are absent, broken or in the wrong place.

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
    network::{add_addresses, add_host, swallow},
    process::{Finished, Sandbox, Tool},
};

use super::{
    ECR, PASSWORD, USER, api, assert_fails, assert_no_canary, ecr, pull, reference, trusting,
};

/// Where an instance asks for its credentials, where a container of ECS does, and where a pod of EKS does.
const INSTANCE: &str = "169.254.169.254";
const CONTAINER: &str = "169.254.170.2";
const POD: &str = "169.254.170.23";

/// How long any of this may take. The SDK itself tries some things three times, with waits.
const DEADLINE: Duration = Duration::from_secs(30);

/// Pulls from a registry of ECR with what `set` adds, and returns how that ended.
fn pulled(sandbox: &Sandbox, registry: &Faulty, set: impl Fn(Tool) -> Tool) -> Finished {
    let started = Instant::now();
    let tool = trusting(pull(sandbox, &reference()), registry);
    let ended = set(tool).run();
    let elapsed = started.elapsed();
    assert!(elapsed < DEADLINE, "{elapsed:?}: {}", ended.stderr);
    ended
}

#[track_caller]
fn assert_pulls(registry: &Faulty, set: impl Fn(Tool) -> Tool) {
    let sandbox = Sandbox::new();
    let ended = pulled(&sandbox, registry, set).succeeds();
    assert_no_canary(&sandbox, &[&ended]);
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

/// Lets a tool ask a server for ECR's tokens only.
fn tokens_from(tool: Tool, api: &Faulty) -> Tool {
    tool.env("AWS_ENDPOINT_URL_ECR", api.url())
}

fn service(
    address: &str,
    answer: impl Fn(&soci_testkit::faulty::Request) -> Reply + Send + Sync + 'static,
) -> Faulty {
    add_addresses(&[address]);
    aws::answering(Faulty::setup().address(address).port(80), answer)
}

#[test]
fn a11_an_instance_without_metadata_costs_seconds_at_most() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        add_addresses(&[INSTANCE]);
        swallow(INSTANCE);
        let started = Instant::now();
        let says =
            ["AWS: no credentials in environment, profile, web identity, container or instance"];
        assert_denied(&registry, &says, |tool| tool);
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    });
}

#[test]
fn a11_the_metadata_service_is_asked_last() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let instance = service(INSTANCE, aws::metadata);
        assert_pulls(&registry, |tool| aws::serve(tool, &api));
        assert!(instance.requests().is_empty(), "{}", instance.log());
        // Where it is all there is, by its token, and not by the proxy.
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

#[test]
fn a11_a_metadata_service_that_refuses_is_named() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        for status in [401, 403] {
            let instance = service(INSTANCE, move |_| Reply::new(status));
            let says = ["no ECR token from AWS", "IMDS"];
            assert_denied(&registry, &says, |tool| tool);
            assert!(instance.requests().len() <= 4, "{}", instance.log());
        }
        // One without a role has no credentials, which is no fault.
        let instance = service(INSTANCE, |request| {
            if request.is("GET", "*/security-credentials/*") {
                return Reply::new(404);
            }
            aws::metadata(request)
        });
        assert_denied(&registry, &["AWS: no credentials"], |tool| tool);
        drop(instance);
    });
}

#[test]
fn a11_a_containers_credentials() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let relative = |tool: Tool| {
            tokens_from(tool, &api).env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/task/1")
        };
        let broken = service(CONTAINER, |_| Reply::new(500));
        assert_denied(&registry, &["no ECR token from AWS"], relative);
        assert!(broken.requests().len() <= 4, "{}", broken.log());
        drop(broken);
        let container = service(CONTAINER, |_| aws::credentials());
        let pod = service(POD, |_| aws::credentials());
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

#[test]
fn a11_no_credentials_come_from_the_world_in_the_clear() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = api();
        let requests = api.requests().len();
        let public = "203.0.113.7";
        add_host("credentials.example", &[public]);
        let world = service(public, |_| aws::credentials());
        for host in [public, "credentials.example"] {
            assert_denied(&registry, &["no ECR token from AWS"], |tool| {
                tokens_from(tool, &api)
                    .env(
                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                        format!("http://{host}/"),
                    )
                    .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-pod-token")
            });
        }
        assert!(world.requests().is_empty(), "{}", world.log());
        assert_eq!(api.requests().len(), requests);
    });
}

#[test]
fn a11_a_web_identity() {
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
        let sts = aws::answering(Faulty::setup(), |_| aws::assumed_role());
        let says = ["no ECR token from AWS", "No such file"];
        assert_denied(&registry, &says, |tool| identity(tool, &missing, &sts));
        assert!(sts.requests().is_empty(), "{}", sts.log());
        let expired = aws::answering(Faulty::setup(), |_| {
            aws::role_refusal(
                "ExpiredTokenException",
                "Token expired: current date/time 1 must be before 0",
            )
        });
        let says = ["no ECR token from AWS", "Token expired"];
        assert_denied(&registry, &says, |tool| identity(tool, &file, &expired));
        assert!(expired.requests().len() <= 3, "{}", expired.log());
        assert_pulls(&registry, |tool| identity(tool, &file, &sts));
        assert_eq!(sts.requests().len(), 1, "{}", sts.log());
    });
}

/// Starts an API whose first answers are refusals, all of them if there are enough.
fn refusing(times: usize, status: u16, code: &'static str, message: &'static str) -> Faulty {
    let asked = Arc::new(AtomicUsize::new(0));
    aws::answering(Faulty::setup(), move |request| {
        if asked.fetch_add(1, Ordering::SeqCst) < times {
            aws::refusal(status, code, message)
        } else {
            aws::token(request, USER, PASSWORD)
        }
    })
}

#[test]
fn a11_the_api_throttles() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = refusing(2, 400, "ThrottlingException", "Rate exceeded");
        assert_pulls(&registry, |tool| aws::serve(tool, &api));
        assert_eq!(api.requests().len(), 3, "{}", api.log());
        let api = refusing(usize::MAX, 400, "ThrottlingException", "Rate exceeded");
        let sandbox = Sandbox::new();
        let ended = pulled(&sandbox, &registry, |tool| aws::serve(tool, &api));
        // Not a denial: it works later.
        assert_fails(&sandbox, ended, 75, &["throttled", "Rate exceeded"]);
        assert_eq!(api.requests().len(), 3, "{}", api.log());
    });
}

#[test]
fn a11_the_api_denies() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let denial = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecr:GetAuthorizationToken";
        let api = refusing(usize::MAX, 400, "AccessDeniedException", denial);
        let says = [
            "no ECR token from AWS",
            denial,
            "the caller needs ecr:GetAuthorizationToken",
        ];
        assert_denied(&registry, &says, |tool| aws::serve(tool, &api));
        assert_eq!(api.requests().len(), 1, "{}", api.log());
    });
}

#[test]
fn a11_the_api_fails_or_is_not_there() {
    namespace::isolated(&[ECR], || {
        let registry = ecr(ECR);
        let api = refusing(usize::MAX, 500, "ServerException", "internal");
        let sandbox = Sandbox::new();
        let ended = pulled(&sandbox, &registry, |tool| aws::serve(tool, &api));
        assert_fails(&sandbox, ended, 69, &["internal"]);
        let ended = pulled(&sandbox, &registry, |tool| {
            aws::serve(tool, &api).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        });
        assert_fails(&sandbox, ended, 69, &["AWS"]);
    });
}
