//! The client against a server that plays registries, good ones and bad ones.

mod auth;
mod fake;
mod pull;
mod push;
mod referrers;

use std::time::Duration;

use fake::Fake;
use soci_oci::Reference;
use soci_registry::{Client, ClientOptions, Repository, RetryPolicy};

/// The repository of all tests.
const NAME: &str = "team/app";

/// Options with which a test does not wait.
fn options() -> ClientOptions {
    let short = Duration::from_millis(2);
    ClientOptions {
        retries: RetryPolicy {
            base: short,
            throttled_base: short,
            ..RetryPolicy::default()
        },
        ..ClientOptions::default()
    }
}

fn repository(fake: &Fake) -> Repository {
    repository_with(fake, options())
}

fn repository_with(fake: &Fake, options: ClientOptions) -> Repository {
    let text = format!("{}/{NAME}:v1", fake.address);
    let Ok(Reference::Registry(reference)) = text.parse() else {
        panic!("`{text}` is no reference");
    };
    Client::new(options)
        .expect("a client")
        .repository(&reference)
}

/// Returns the path of something in the repository.
fn path(rest: &str) -> String {
    format!("/v2/{NAME}/{rest}")
}
