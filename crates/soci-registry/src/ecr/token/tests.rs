use std::time::Duration;

use super::*;
use crate::ecr::profile::ProfileKind;
use crate::fake::{Fake, Reply};
use crate::http::clients::ClientSettings;
use crate::http::resolver::system_lookup;
use crate::options::{ClientOptions, RetryPolicy};
use aws_credential_types::Credentials;

const PRIVATE: &str = "123456789012.dkr.ecr.eu-west-3.amazonaws.com";

const PUBLIC: &str = "public.ecr.aws";

/// Which AWS credentials a test has.
enum Keys {
    Good,
    None,
}

/// Fetches a token for `host` from a server in the place of the API.
async fn fetch(host: &str, fake: &Fake, keys: Keys) -> Result<Credential, TokenError> {
    let host = EcrHost::parse(host).expect("a host of ECR");
    let settings = ClientSettings::new(&ClientOptions::default(), Vec::new(), &[], system_lookup());
    let clients = settings
        .and_then(|settings| settings.build_for_aws())
        .expect("clients without certificates and proxies");
    let refusals = LastRefusal::default();
    let loader = host
        .loader()
        .http_client(http::client(&clients, &refusals))
        .endpoint_url(format!("http://{}", fake.address));
    let loader = match keys {
        Keys::Good => {
            loader.credentials_provider(Credentials::new("id", "key", None, None, "test"))
        }
        Keys::None => loader.no_credentials(),
    };
    let config = loader.load().await;
    let operation = operation();
    let retries = RetryPolicy::from_first_wait(Duration::from_millis(2));
    let caller = ApiCaller {
        operation: &operation,
        clients: &clients,
        retries: &retries,
        helper_timeout: Duration::from_mins(1),
    };
    host.fetch_token(&config, caller, &refusals).await
}

fn operation() -> Operation {
    Operation {
        action: "fetch manifest",
        object: "v1".to_owned(),
        is_implied: true,
        registry: PRIVATE.to_owned(),
        repository: "app".to_owned(),
    }
}

fn encoded_token() -> String {
    STANDARD.encode("AWS:p:w")
}

#[track_caller]
fn assert_token(result: &Result<Credential, TokenError>) {
    let Ok(Credential::Password { username, password }) = result else {
        panic!("no token: {result:?}");
    };
    assert_eq!((username.as_str(), password.reveal()), ("AWS", "p:w"));
}

#[tokio::test]
async fn signs_the_request_for_the_region_of_the_host() {
    let fake = Fake::start(|_, _| {
        // Stand-ins for AWS give tokens that have expired already.
        Reply::new(200).body(format!(
            r#"{{"authorizationData":[{{"authorizationToken":"{}","expiresAt":1}}]}}"#,
            encoded_token()
        ))
    });
    for host in [PRIVATE, "123456789012.dkr-ecr-fips.eu-west-3.on.aws"] {
        assert_token(&fetch(host, &fake, Keys::Good).await);
    }
    for seen in fake.seen() {
        let signature = &seen.headers["authorization"];
        assert!(signature.contains("/eu-west-3/ecr/"), "{signature}");
        assert_eq!(
            seen.headers["x-amz-target"],
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
        );
    }
}

#[tokio::test]
async fn reads_the_single_token_of_the_public_api() {
    let fake = Fake::start(|_, _| {
        Reply::new(200).body(format!(
            r#"{{"authorizationData":{{"authorizationToken":"{}","expiresAt":1}}}}"#,
            encoded_token()
        ))
    });
    assert_token(&fetch(PUBLIC, &fake, Keys::Good).await);
    let seen = fake.seen();
    let signature = &seen[0].headers["authorization"];
    assert!(
        signature.contains("/us-east-1/ecr-public/aws4_request"),
        "{signature}"
    );
    assert_eq!(
        seen[0].headers["x-amz-target"],
        "SpencerFrontendService.GetAuthorizationToken"
    );
}

/// Returns the answer of the source for a failure, if nothing is configured.
fn answer(host: &str, error: TokenError) -> Answer {
    let profile = SelectedProfile {
        name: "default".to_owned(),
        is_named: false,
        kind: ProfileKind::Undefined,
        defined: Vec::new(),
        files: Vec::new(),
    };
    let host = EcrHost::parse(host).expect("a host of ECR");
    host.explain(&operation(), error, &profile)
}

#[track_caller]
fn problem(answer: Answer) -> Problem {
    let Answer::Failed(problem) = answer else {
        panic!("no problem: {answer:?}");
    };
    problem
}

#[tokio::test]
async fn names_the_action_that_aws_denies() {
    for (message, expected) in [
        (
            "User: x is not authorized to perform: ecr:GetAuthorizationToken on resource: *",
            Some("the caller needs ecr:GetAuthorizationToken"),
        ),
        ("not you", None),
    ] {
        let fake = Fake::start(move |_, _| {
            Reply::new(400).body(format!(
                r#"{{"__type":"com.amazon#AccessDeniedException","message":"{message}"}}"#
            ))
        });
        let error = fetch(PRIVATE, &fake, Keys::Good).await;
        let problem = problem(answer(PRIVATE, error.expect_err("a denial")));
        assert_eq!(
            problem.line,
            format!("AWS: status 400 AccessDeniedException: {message}")
        );
        assert_eq!(problem.hint.as_deref(), expected);
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn says_that_keys_have_expired() {
    let fake = Fake::start(|_, _| {
        Reply::new(400).body(
            r#"{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}"#,
        )
    });
    let error = fetch(PRIVATE, &fake, Keys::Good).await;
    let problem = problem(answer(PRIVATE, error.expect_err("a denial")));
    assert!(problem.line.contains("have expired"), "{}", problem.line);
    let hint = problem.hint.expect("a hint");
    assert!(hint.contains("AWS_SESSION_TOKEN"), "{hint}");
    assert!(!hint.contains("needs"), "{hint}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn tries_again_when_the_api_is_throttled_or_down() {
    let fake = Fake::start(|_, number| match number {
        0 => Reply::new(400).body(r#"{"__type":"ThrottlingException","message":"slow down"}"#),
        1 => Reply::new(503),
        _ => Reply::new(200).body(format!(
            r#"{{"authorizationData":[{{"authorizationToken":"{}"}}]}}"#,
            encoded_token()
        )),
    });
    assert_token(&fetch(PRIVATE, &fake, Keys::Good).await);
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn signs_again_with_the_time_of_the_server() {
    const SKEWED: &str =
        r#"{"__type":"InvalidSignatureException","message":"Signature expired: now is later"}"#;
    let fake = Fake::start(|seen, _| {
        if seen.headers["x-amz-date"] == "20000102T030405Z" {
            Reply::new(200).body(format!(
                r#"{{"authorizationData":[{{"authorizationToken":"{}"}}]}}"#,
                encoded_token()
            ))
        } else {
            Reply::new(403)
                .header("Date", "Sun, 02 Jan 2000 03:04:05 GMT")
                .body(SKEWED)
        }
    });
    assert_token(&fetch(PRIVATE, &fake, Keys::Good).await);
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn signs_again_only_once() {
    let fake = Fake::start(|_, _| {
        Reply::new(403)
            .header("Date", "Sun, 02 Jan 2000 03:04:05 GMT")
            .body(r#"{"__type":"RequestExpired","message":"too late"}"#)
    });
    let token = fetch(PRIVATE, &fake, Keys::Good).await;
    token.expect_err("a refusal");
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn gives_up_after_three_tries() {
    let fake = Fake::start(|_, _| Reply::new(500));
    let token = fetch(PRIVATE, &fake, Keys::Good).await;
    let Err(TokenError::Api(ApiError::Unavailable(_, tries), _)) = token else {
        panic!("{token:?}");
    };
    assert_eq!(tries.count, 3);
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn refuses_a_reply_without_a_token() {
    for body in [
        "",
        "{}",
        "null",
        r#"{"authorizationData":[]}"#,
        r#"{"authorizationData":[{}]}"#,
    ] {
        let fake = Fake::start(move |_, _| Reply::new(200).body(body));
        let token = fetch(PRIVATE, &fake, Keys::Good).await;
        let problem = problem(answer(PRIVATE, token.expect_err(body)));
        assert_eq!(problem.line, "AWS: the response holds no token", "{body}");
    }
}

#[tokio::test]
async fn needs_no_request_without_aws_credentials() {
    let fake = Fake::start(|_, _| Reply::new(500));
    for host in [PRIVATE, PUBLIC] {
        let token = fetch(host, &fake, Keys::None).await;
        let answer = answer(host, token.expect_err("no credentials"));
        let Answer::Nothing(Some(line)) = answer else {
            panic!("{answer:?}");
        };
        assert!(line.starts_with("AWS: no credentials found"), "{line}");
    }
    assert!(fake.seen().is_empty());
}
