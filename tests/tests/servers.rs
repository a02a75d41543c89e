//! Checks that the servers of the test kit start, answer and stop, since other tests rely on it.

use std::{net::TcpStream, path::Path};

use serde_json::Value;
use soci_testkit::{
    certificate::Flaw,
    faulty::Faulty,
    image::{self, Image, Layer},
    moto::Moto,
    namespace,
    process::Sandbox,
    registry::{PASSWORD, Registry, Setup, USER},
};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Writes an image for two platforms, and returns the descriptor of its index.
fn write_image(directory: &Path) -> Value {
    let base = Layer::gzip(&[("etc/base", b"base")]);
    let amd64 = Image::new("linux/amd64")
        .layer(base.clone())
        .layer(Layer::plain(&[("app", b"amd64")]))
        .attested();
    let arm64 = Image::new("linux/arm64/v8")
        .layer(base)
        .layer(Layer::zstd(&[("app", b"arm64")]));
    image::write_layout(directory, &[amd64, arm64])
}

#[test]
fn registries_answer_until_they_are_dropped() {
    for setup in [Setup::distribution(), Setup::olareg()] {
        let registry = setup.start();
        assert_eq!(registry.get("/v2/", &[]).unwrap().status, 200);
        let host = registry.host();
        assert!(!registry.log().is_empty());
        drop(registry);
        assert!(TcpStream::connect(host).is_err());
    }
}

#[test]
fn registries_require_credentials() {
    let sandbox = Sandbox::new();
    image::write_layout(&sandbox.path().join("image"), &[Image::new("linux/amd64")]);
    for setup in [Setup::distribution(), Setup::olareg()] {
        let registry = setup.basic_auth().start();
        let refused = registry.get("/v2/", &[]).unwrap();
        assert_eq!(refused.status, 401);
        assert!(
            refused
                .header("www-authenticate")
                .is_some_and(|challenge| challenge.starts_with("Basic"))
        );
        registry.push(&sandbox.path().join("image"), "app:v1");
    }
}

#[test]
fn registries_speak_tls() {
    for setup in [Setup::distribution(), Setup::olareg()] {
        let registry = setup.tls(&[ECR]).start();
        let sandbox = Sandbox::new();
        let url = format!("https://{ECR}:{}/v2/", registry.port());
        let curl = sandbox.program("curl").args([
            "--fail",
            "--silent",
            "--connect-to",
            &format!("::{}", registry.host()),
        ]);
        let curl = curl
            .arg("--cacert")
            .arg(registry.ca_file())
            .arg(url)
            .run()
            .succeeds();
        assert!(curl.text().starts_with('{') || curl.stdout.is_empty());
    }
}

#[test]
fn images_are_pushed_byte_for_byte() {
    let sandbox = Sandbox::new();
    let root = write_image(&sandbox.path().join("image"));
    for registry in [Registry::distribution(), Registry::olareg()] {
        registry.push(&sandbox.path().join("image"), "team/app:v1");
        let manifest = registry.manifest("team/app", "v1");
        assert_eq!(root["digest"], image::digest(&manifest.body));
        assert_eq!(
            manifest.json()["manifests"].as_array().map(Vec::len),
            Some(3)
        );
    }
}

#[test]
fn moto_issues_a_token_with_the_password_of_registries() {
    let moto = Moto::start();
    let sandbox = Sandbox::new();
    let curl = sandbox.program("curl").args(["--fail", "--silent", "--data", "{}"]).args([
        "--header",
        "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        "--header",
        "Content-Type: application/x-amz-json-1.1",
        "--header",
        "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/ecr/aws4_request, SignedHeaders=host, Signature=0",
    ]);
    let answer = curl.arg(moto.url()).run().succeeds().documents().remove(0);
    let token = answer["authorizationData"][0]["authorizationToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let decoded = sandbox
        .program("base64")
        .arg("-d")
        .stdin(token)
        .run()
        .succeeds();
    assert_eq!(decoded.text(), format!("{USER}:{PASSWORD}"));
}

#[test]
fn ecr_names_can_be_served() {
    namespace::isolated(&[ECR], || {
        let registry = Setup::distribution()
            .basic_auth()
            .tls(&[ECR])
            .port(443)
            .start();
        let sandbox = Sandbox::new();
        let curl = sandbox.program("curl").args([
            "--fail",
            "--silent",
            "--user",
            &format!("{USER}:{PASSWORD}"),
        ]);
        curl.arg("--cacert")
            .arg(registry.ca_file())
            .arg(format!("https://{ECR}/v2/"))
            .run()
            .succeeds();
    });
}

#[test]
fn certificates_have_the_chosen_flaw() {
    let sandbox = Sandbox::new();
    let curl = |registry: &Faulty| {
        let curl = sandbox
            .program("curl")
            .args(["--silent", "--fail", "--cacert"]);
        curl.arg(registry.ca_file())
            .arg(format!("{}/v2/", registry.url()))
            .run()
            .code()
    };
    assert_eq!(curl(&Faulty::setup().tls(&[]).start()), 0);
    assert_eq!(curl(&Faulty::setup().tls(&[]).address("::1").start()), 0);
    for flaw in [Flaw::Expired, Flaw::WrongHost, Flaw::SelfSigned] {
        assert_eq!(
            curl(&Faulty::setup().flawed_tls(&[], flaw).start()),
            60,
            "{flaw:?}"
        );
    }
}
