//! The client against a server that plays registries, good ones and bad ones.

mod auth;
mod fake;
mod pull;
mod push;
mod referrers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fake::Fake;
use soci_oci::{Descriptor, Reference};
use soci_registry::{
    BlobStream, Client, ClientOptions, Content, ManifestName, Repository, RetryPolicy,
};

/// The repository of all tests.
const NAME: &str = "team/app";

/// Options with which a test does not wait.
fn options() -> ClientOptions {
    let short = Duration::from_millis(2);
    ClientOptions {
        retries: RetryPolicy::from_first_wait(short),
        ..ClientOptions::default()
    }
}

fn repository(fake: &Fake) -> Repository {
    repository_with(fake, options())
}

fn repository_with(fake: &Fake, options: ClientOptions) -> Repository {
    repository_of(&Client::new(options).expect("a client"), fake)
}

fn repository_of(client: &Client, fake: &Fake) -> Repository {
    let text = format!("{}/{NAME}:v1", fake.address);
    let Ok(Reference::Registry(reference)) = text.parse() else {
        panic!("`{text}` is no reference");
    };
    client.repository(&reference).expect("a repository")
}

/// Returns the path of something in the repository.
fn path(rest: &str) -> String {
    format!("/v2/{NAME}/{rest}")
}

/// Stages run these on other threads than the one that makes them.
#[test]
fn moves_between_threads() {
    fn check<T: Send>(_: &T) {}
    let fake = Fake::start(|_, _| fake::Reply::new(404));
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
    check(&repository.push_blob(&blob, Bytes::new()));
    check(&repository.push_blob_stream(&blob, &content));
    check(&repository.push_manifest(name, "x", Bytes::new()));
    check(&repository.list_referrers(blob.digest, "x"));
    check(&repository.add_to_referrers_tag(blob.digest, blob.clone()));
}
