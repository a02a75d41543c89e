//! The client against an in-process server that plays the registry, correct ones and faulty ones.

mod auth;
mod blobs;
mod fake;
mod manifests;
mod push;
mod referrers;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fake::{Fake, Reply};
use soci_oci::{Descriptor, Digest, Reference, media_type};
use soci_registry::{
    BlobStream, Client, ClientOptions, Content, ManifestName, Repository, RetryPolicy,
};

/// The repository's name in all tests.
const NAME: &str = "team/app";

/// A manifest that declares its media type.
const MANIFEST: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;

/// Returns the reply that holds [`MANIFEST`].
fn manifest_reply() -> Reply {
    Reply::new(200)
        .header("Content-Type", media_type::OCI_MANIFEST)
        .header("Docker-Content-Digest", Digest::of(MANIFEST))
        .body(MANIFEST)
}

/// Returns options with waits of a few milliseconds between retries.
fn options() -> ClientOptions {
    let short = Duration::from_millis(2);
    ClientOptions {
        retries: RetryPolicy::from_first_wait(short),
        ..ClientOptions::default()
    }
}

/// Returns the repository on a server, with [`options`].
fn repository(fake: &Fake) -> Repository {
    repository_with(fake, options())
}

fn repository_with(fake: &Fake, options: ClientOptions) -> Repository {
    repository_of(&Client::new(options).expect("a client"), fake)
}

fn repository_of(client: &Client, fake: &Fake) -> Repository {
    let text = format!("{}/{NAME}:v1", fake.address);
    let Ok(Reference::Registry(reference)) = text.parse() else {
        panic!("`{text}` is not a reference");
    };
    client.repository(&reference).expect("a repository")
}

/// Returns the URL path of `rest` in the repository, such as `manifests/v1`.
fn path(rest: &str) -> String {
    format!("/v2/{NAME}/{rest}")
}

/// The tools run these futures on other threads than the one that creates them.
#[test]
fn futures_can_move_between_threads() {
    fn check<T: Send>(_: &T) {}
    let fake = Fake::start(|_, _| Reply::new(404));
    let repository = repository(&fake);
    let blob = Descriptor::of("x", b"x");
    let stream = || BlobStream::from_stream(futures_util::stream::empty());
    let content: Content = Arc::new(stream);
    let name = ManifestName::Tag("v1");
    check(&stream());
    check(&repository.fetch_manifest(name));
    check(&repository.resolve_digest(name));
    check(&repository.blob(&blob, 0));
    check(&repository.blob_bytes(&blob, 0));
    check(&repository.blob_exists(blob.digest));
    check(&repository.mount_or_push_blob(&blob, NAME, &content));
    check(&repository.push_blob(&blob, Bytes::new(), Arc::default()));
    check(&repository.push_blob_stream(&blob, &content));
    check(&repository.push_manifest(name, "x", Bytes::new()));
    check(&repository.list_referrers(blob.digest, "x"));
    check(&repository.add_to_referrers_tag(blob.digest, blob.clone(), None));
}
