//! Requests to the registry.

use serde_json::Value;
use soci_testkit::{
    faulty::Faulty,
    http::{self, Response},
    image::{self, Image, Layer},
    process::Sandbox,
};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(crate) fn request(registry: &Faulty, method: &str, path: &str, headers: &[&str]) -> Response {
    http::request(&registry.host(), method, path, headers).expect("a registry that runs")
}

pub(crate) fn request_with_body(
    registry: &Faulty,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> Response {
    http::request_with_body(&registry.host(), method, path, headers, body)
        .expect("a registry that runs")
}

/// Returns the first error code of a response.
pub(crate) fn error_code(response: &Response) -> Value {
    response.json()["errors"][0]["code"].clone()
}

/// Adds an image with one layer as `app:v1`, and returns its manifest.
pub(crate) fn add_image(registry: &Faulty) -> Value {
    let sandbox = Sandbox::new();
    let image = Image::new("linux/amd64").layer(Layer::gzip(&[("app", b"content")]));
    image::write_layout(sandbox.path(), &[image]);
    registry.push(sandbox.path(), "app:v1");
    registry.manifest("app", "v1").expect("the image").json()
}

/// Uploads a blob with a `POST` and a `PUT`, as most clients do.
pub(crate) fn upload(registry: &Faulty, bytes: &[u8]) -> String {
    let digest = image::digest(bytes);
    let begun = request(registry, "POST", "/v2/app/blobs/uploads/", &[]);
    assert_eq!(begun.status, 202);
    let location = begun.header("location").expect("a session");
    let put = request_with_body(
        registry,
        "PUT",
        &format!("{location}&digest={digest}"),
        &[],
        bytes,
    );
    assert_eq!(put.status, 201);
    assert_eq!(put.header("docker-content-digest"), Some(digest.as_str()));
    digest
}

pub(crate) fn put_manifest(registry: &Faulty, reference: &str, manifest: &Value) -> Response {
    let path = format!("/v2/app/manifests/{reference}");
    let content_type = format!("Content-Type: {MANIFEST}");
    request_with_body(
        registry,
        "PUT",
        &path,
        &[&content_type],
        manifest.to_string().as_bytes(),
    )
}
