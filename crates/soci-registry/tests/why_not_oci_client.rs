//! Why this crate does not stand on `oci-client`: what that library does against a registry that is hostile or busy.
//!
//! Each test states a fact about the library. One that fails is good news: the library has caught up, and the decision is
//! worth another look. `registry/` holds this crate's own client to the opposite of each.

#[path = "registry/fake.rs"]
#[expect(
    dead_code,
    reason = "the server of the other tests, which use all of it"
)]
mod fake;

use fake::{Fake, Reply};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn client() -> Client {
    Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        ..ClientConfig::default()
    })
}

fn reference(fake: &Fake) -> Reference {
    let text = format!("{}/team/app:v1", fake.address);
    text.parse().expect("a reference")
}

#[tokio::test]
async fn reads_a_manifest_of_any_size() {
    let length = 9 << 20;
    let fake = Fake::start(move |_, _| {
        Reply::new(200)
            .header("Content-Type", MANIFEST)
            .body(vec![b' '; length])
    });
    let (bytes, _) = client()
        .pull_manifest_raw(&reference(&fake), &RegistryAuth::Anonymous, &[MANIFEST])
        .await
        .expect("no limit");
    assert_eq!(bytes.len(), length);
}

#[tokio::test]
async fn hides_how_long_a_busy_registry_asks_to_wait() {
    let fake =
        Fake::start(|_, _| Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", "7700077"));
    let error = client()
        .pull_manifest_raw(&reference(&fake), &RegistryAuth::Anonymous, &[MANIFEST])
        .await
        .expect_err("a refusal");
    assert!(!format!("{error:?}").contains("7700077"), "{error:?}");
}

#[tokio::test]
async fn tells_nobody_whether_a_subject_was_noticed() {
    let fake = Fake::start(|_, _| {
        Reply::new(201)
            .header("Location", "/v2/team/app/manifests/v1")
            .header("OCI-Subject", "sha256:7700077")
    });
    // All that the caller gets is one text: the location.
    let location: String = client()
        .push_manifest_raw(
            &reference(&fake),
            &b"{}"[..],
            MANIFEST.parse().expect("a header value"),
        )
        .await
        .expect("an upload");
    assert!(!location.contains("7700077"), "{location}");
}

#[tokio::test]
async fn sends_a_password_wherever_the_registry_says() {
    let realm = Fake::start(|_, _| Reply::new(200).body(r#"{"token":"t"}"#));
    let port = realm.address.port();
    // Another host name, and somebody else's name in the URL: the library looks at neither.
    let challenge = format!(r#"Bearer realm="http://someone@localhost:{port}/token",service="s""#);
    let fake = Fake::start(move |_, _| Reply::new(401).header("WWW-Authenticate", &challenge));
    let password = RegistryAuth::Basic("u".to_owned(), "p".to_owned());
    drop(
        client()
            .pull_manifest_raw(&reference(&fake), &password, &[MANIFEST])
            .await,
    );
    let seen = realm.seen();
    let sent = seen.first().expect("a request to the other host");
    let sent = sent.header("authorization").expect("credentials");
    assert!(sent.starts_with("Basic "), "{sent}");
}
