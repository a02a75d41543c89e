//! Why this crate does not use `oci-client`: how that library behaves with a hostile or busy
//! registry.
//!
//! Each test states a fact about the library. If one fails, the library has caught up, and the
//! decision should be reconsidered. The tests in `registry/` show that this crate behaves
//! differently.

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
    drop(rustls::crypto::ring::default_provider().install_default());
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
async fn hides_the_retry_after_header() {
    let fake =
        Fake::start(|_, _| Reply::error(429, "TOOMANYREQUESTS").header("Retry-After", "7700077"));
    let error = client()
        .pull_manifest_raw(&reference(&fake), &RegistryAuth::Anonymous, &[MANIFEST])
        .await
        .expect_err("an error");
    assert!(!format!("{error:?}").contains("7700077"), "{error:?}");
}

#[tokio::test]
async fn hides_whether_the_registry_processed_the_subject() {
    let fake = Fake::start(|_, _| {
        Reply::new(201)
            .header("Location", "/v2/team/app/manifests/v1")
            .header("OCI-Subject", "sha256:7700077")
    });
    // The caller gets only the location.
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
async fn sends_a_password_to_any_token_server_that_the_registry_names() {
    let realm = Fake::start(|_, _| Reply::new(200).body(r#"{"token":"t"}"#));
    let port = realm.address.port();
    // The realm has another host name and a user name. The library checks neither.
    let challenge = format!(r#"Bearer realm="http://user@localhost:{port}/token",service="s""#);
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
