//! Answers of a registry that are meant to cost time, memory or requests. Each pull runs with 256
//! MiB of memory, as every tool does in these tests.

mod counts;
mod sizes;
mod times;

use serde_json::{Value, json};
use soci_testkit::{
    faulty::{Faulty, Setup},
    image::digest,
    process::{Finished, Sandbox},
};

use crate::soci_tool;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

const MANIFESTS: &str = "*/manifests/*";
const BLOBS: &str = "*/blobs/*";

/// The most bytes of a manifest.
const LIMIT: usize = 4 << 20;

/// Returns the setup of a registry that needs a token.
fn bearer() -> Setup {
    Faulty::setup().bearer("user", "canary-password")
}

/// Pulls `app:v1`, and waits for bytes no longer than half a second.
fn pull(sandbox: &Sandbox, registry: &Faulty) -> Finished {
    let tool = soci_tool(sandbox).arg(format!("{}/app:v1", registry.host()));
    let tool = tool.env("SOCI_IDLE_TIMEOUT", "0.5");
    let tool = tool.env("SOCI_USERNAME", "user");
    tool.env("SOCI_PASSWORD", "canary-password").run()
}

/// Starts a registry whose tag `app:v1` names a manifest or index of this content.
fn registry_with(media_type: &str, content: &str) -> Faulty {
    let registry = Faulty::start();
    let digest = registry.put_manifest("app", media_type, content);
    registry.tag("app", "v1", &digest);
    registry
}

/// Returns an index that lists these descriptors.
fn index_of(manifests: &[Value]) -> String {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string()
}

/// Returns a manifest of these layers, whose configuration is in the registry.
fn manifest_of(registry: &Faulty, layers: &[Value]) -> String {
    let config = r#"{"architecture":"amd64","os":"linux"}"#;
    let size = config.len();
    let digest = registry.put_blob("app", config);
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
        "config": {"mediaType": CONFIG, "digest": digest, "size": size}})
    .to_string()
}

/// Returns the descriptor of a manifest for `architecture` that is in no registry.
fn absent_manifest(seed: usize, architecture: &str) -> Value {
    json!({"mediaType": MANIFEST, "digest": digest(&seed.to_le_bytes()), "size": 500,
        "platform": {"architecture": architecture, "os": "linux"}})
}

/// Returns a short descriptor of a layer.
fn layer(seed: usize, media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(&seed.to_le_bytes()), "size": 1})
}
