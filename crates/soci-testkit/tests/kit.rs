//! Shows that the servers start, answer and stop, and that the images are images.

use std::{fs, net::TcpStream, path::Path};

use serde_json::Value;
use soci_testkit::{
    image::{self, Format, Image, Layer},
    moto::Moto,
    namespace,
    process::{self, Sandbox},
    registry::{PASSWORD, Registry, Setup, USER},
};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

fn two_platforms(directory: &Path) -> Value {
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
fn registries_answer_and_stop() {
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
fn registries_ask_for_credentials() {
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
fn images_reach_registries_byte_for_byte() {
    let sandbox = Sandbox::new();
    let root = two_platforms(&sandbox.path().join("image"));
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
fn schema_2_has_its_own_media_types() {
    let sandbox = Sandbox::new();
    let layers = Layer::gzip(&[("app", b"content")]);
    let root = image::write_layout(
        sandbox.path(),
        &[Image::new("linux/amd64")
            .layer(layers)
            .format(Format::Docker)],
    );
    assert_eq!(
        root["mediaType"],
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    let blob = root["digest"].as_str().unwrap().replace(':', "/");
    let manifest = fs::read_to_string(sandbox.path().join("blobs").join(blob)).unwrap();
    assert!(
        manifest.contains("application/vnd.docker.image.rootfs.diff.tar.gzip"),
        "{manifest}"
    );
}

#[test]
fn moto_gives_the_registrys_password() {
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
fn pipelines_give_the_status_of_each_stage() {
    let sandbox = Sandbox::new();
    let shell = |script| sandbox.program("bash").args(["-c", script]);
    let ended = process::pipeline([
        shell("cat; echo one >&2; exit 3").stdin("{\"a\": 1}\n"),
        shell("cat; kill -TERM $$"),
        shell("cat; test \"$HOME\" = \"$PWD/home\""),
    ]);
    assert_eq!(
        ended
            .iter()
            .map(process::Finished::code)
            .collect::<Vec<_>>(),
        [3, 143, 0]
    );
    assert_eq!(ended[0].stderr, "one\n");
    assert_eq!(ended[2].documents(), [serde_json::json!({"a": 1})]);
}
