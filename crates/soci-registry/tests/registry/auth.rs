//! Challenges, tokens and credentials.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use soci_document::{Classify as _, Exit};
use soci_oci::media_type;
use soci_registry::{ClientOptions, ManifestName, RegistryError};
use tempfile::TempDir;

use crate::fake::{Fake, Reply};
use crate::{options, repository, repository_with};

/// Returns options with a credential file for a server. The file is deleted with the folder.
pub(crate) fn logged_in(fake: &Fake, username: &str, password: &str) -> (TempDir, ClientOptions) {
    let address = fake.address;
    with_authfile(&format!(
        r#"{{"auths":{{"{address}":{{"username":"{username}","password":"{password}"}}}}}}"#
    ))
}

/// Returns options with a credential file of this text.
fn with_authfile(text: &str) -> (TempDir, ClientOptions) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.json");
    std::fs::write(&path, text).expect("a file");
    let options = ClientOptions {
        authfile: Some(path),
        ..options()
    };
    (folder, options)
}

/// Returns a reply with the shortest manifest.
fn short_manifest_reply() -> Reply {
    Reply::new(200)
        .header("Content-Type", media_type::OCI_MANIFEST)
        .body("{}")
}

/// Starts a registry with its own token server. It accepts the first token, except for the tag
/// `late`, which needs the second one.
fn start_bearer_registry() -> Fake {
    Fake::start(|seen, before| {
        if seen.target.starts_with("/token?") {
            let body = format!(r#"{{"token":"t{before}","expires_in":1}}"#);
            return Reply::new(200).body(body);
        }
        let host = seen.header("host").expect("a host");
        let number = match seen.target.rsplit('/').next() {
            Some("late") => 1,
            _ => 0,
        };
        if seen.header("authorization") == Some(&format!("Bearer t{number}")) {
            return short_manifest_reply();
        }
        let challenge = format!(
            r#"Bearer realm="http://{host}/token",service="s",scope="repository:x:pull aws""#
        );
        Reply::new(401).header("WWW-Authenticate", challenge)
    })
}

#[tokio::test]
async fn fetches_a_token_once_and_renews_it_after_a_rejection() {
    let fake = start_bearer_registry();
    let (_folder, options) = logged_in(&fake, "u", "p");
    let repository = repository_with(&fake, options);
    for tag in ["v1", "v2", "late", "late"] {
        let found = repository.fetch_manifest(ManifestName::Tag(tag)).await;
        assert!(found.expect("an answer").is_some(), "{tag}");
    }
    let seen = fake.seen();
    let tokens: Vec<_> = seen
        .iter()
        .filter(|seen| seen.target.starts_with("/token"))
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(
        tokens[0].target,
        "/token?service=s&scope=aws&scope=repository%3Ateam%2Fapp%3Apull"
    );
    assert_eq!(tokens[0].header("authorization"), Some("Basic dTpw"));
    assert_eq!(
        seen.len(),
        8,
        "two requests for `v1` and for the first `late`"
    );
}

#[tokio::test]
async fn renews_a_token_after_the_403_that_ecr_sends_for_an_expired_one() {
    let fake = Fake::start(|seen, before| {
        let host = seen.header("host").expect("a host");
        match (seen.target.starts_with("/token"), seen.header("authorization")) {
            (true, _) => Reply::new(200).body(format!(r#"{{"token":"t{before}"}}"#)),
            (_, Some("Bearer t1")) => short_manifest_reply(),
            (_, Some(_)) => Reply::new(403).body(
                r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}"#,
            ),
            (_, None) => {
                let challenge = format!(r#"Bearer realm="http://{host}/token""#);
                Reply::new(401).header("WWW-Authenticate", challenge)
            }
        }
    });
    let repository = repository(&fake);
    let name = ManifestName::Tag("v1");
    let found = repository.fetch_manifest(name).await;
    assert!(found.expect("a second token").is_some());
    assert_eq!(fake.seen().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_share_one_token() {
    let fake = start_bearer_registry();
    let (_folder, options) = logged_in(&fake, "u", "p");
    let repository = repository_with(&fake, options);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let repository = repository.clone();
            tokio::spawn(async move { repository.fetch_manifest(ManifestName::Tag("v1")).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.expect("no panic").expect("an answer").is_some());
    }
    let seen = fake.seen();
    let tokens = seen.iter().filter(|seen| seen.target.starts_with("/token"));
    assert_eq!(tokens.count(), 1);
}

#[tokio::test]
async fn sends_an_identity_token_to_the_token_server_in_a_form() {
    let fake = start_bearer_registry();
    let text = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"i d"}}}}}}"#,
        fake.address
    );
    let (_folder, options) = with_authfile(&text);
    // The fake does not answer the `POST` with a token. Only the request matters here.
    drop(
        repository_with(&fake, options)
            .fetch_manifest(ManifestName::Tag("v1"))
            .await,
    );
    let seen = fake.seen();
    let post = seen.iter().find(|seen| seen.method == "POST");
    let body = String::from_utf8_lossy(&post.expect("a request").body).into_owned();
    assert!(body.contains("grant_type=refresh_token"), "{body}");
    assert!(body.contains("refresh_token=i+d"), "{body}");
}

#[tokio::test]
async fn an_error_names_the_sources_that_were_tried() {
    let fake = Fake::start(|_, _| Reply::new(401).header("WWW-Authenticate", r#"Basic realm="x""#));
    let (folder, options) = with_authfile("{}");
    let error = repository_with(&fake, options)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await
        .expect_err("an error");
    assert_eq!(error.exit(), Exit::Denied);
    let text = error.to_string();
    let file = folder.path().join("config.json");
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert!(text.contains("SOCI_USERNAME"), "{text}");
    assert!(error.hint().is_some());
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn sends_a_rejected_password_only_once() {
    let fake = Fake::start(|_, _| {
        Reply::error(401, "UNAUTHORIZED").header("WWW-Authenticate", r#"Basic realm="x""#)
    });
    let (_folder, options) = logged_in(&fake, "u", "hunter2");
    let error = repository_with(&fake, options)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await
        .expect_err("an error");
    assert_eq!(error.exit(), Exit::Denied);
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn rejects_an_unsafe_token_server() {
    for realm in [
        "http://169.254.169.254/token",
        "http://user@127.0.0.1:1/token",
        "file:///etc/passwd",
        "nonsense",
    ] {
        let challenge = format!(r#"Bearer realm="{realm}""#);
        let fake = Fake::start(move |_, _| Reply::new(401).header("WWW-Authenticate", &challenge));
        let error = repository(&fake)
            .fetch_manifest(ManifestName::Tag("v1"))
            .await;
        let error = error.expect_err("an error");
        assert_eq!(error.exit(), Exit::Protocol, "{error}");
    }
}

#[tokio::test]
async fn an_error_names_the_missing_helper() {
    for name in ["soci-test-missing", "../sh", "a b"] {
        let fake =
            Fake::start(|_, _| Reply::new(401).header("WWW-Authenticate", r#"Basic realm="x""#));
        let (_folder, options) = with_authfile(&format!(r#"{{"credsStore":"{name}"}}"#));
        let error = repository_with(&fake, options)
            .fetch_manifest(ManifestName::Tag("v1"))
            .await
            .expect_err("an error");
        assert_eq!(error.exit(), Exit::Configuration);
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains("config.json"), "{error}");
        assert!(error.hint().expect("a hint").contains("config.json"));
    }
}

#[tokio::test]
async fn an_error_names_an_unusable_certificate_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    for text in [None, Some("no PEM")] {
        if let Some(text) = text {
            std::fs::write(&path, text).expect("a file");
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("a mode");
        }
        let options = ClientOptions {
            ca_files: vec![path.clone()],
            ..options()
        };
        let error = soci_registry::Client::new(options).expect_err("an error");
        assert!(matches!(error, RegistryError::Configuration(_)));
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}

#[tokio::test]
async fn waits_no_longer_than_the_timeout() {
    let fake = Fake::start(|_, _| {
        std::thread::sleep(Duration::from_secs(3));
        short_manifest_reply()
    });
    let mut options = options();
    options.timeouts.first_byte = Duration::from_millis(50);
    options.retries.tries = 2;
    let error = repository_with(&fake, options)
        .fetch_manifest(ManifestName::Tag("v1"))
        .await
        .expect_err("an error");
    assert_eq!(error.exit(), Exit::Unavailable);
    assert!(error.to_string().contains("2 tries"), "{error}");
}
