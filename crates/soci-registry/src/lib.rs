//! A client of OCI distribution registries, Amazon ECR among them: manifests, blobs, referrers and uploads.
//!
//! [`Client`] holds what a run shares (connections, credentials, tokens), [`Repository`] has the verbs. What comes from a
//! registry is hostile until checked: every body has a bound, every redirect and token server is looked at before it is
//! followed, and content that was asked for by digest is verified, but for [`BlobStream`], whose reader digests in its own
//! pass.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use soci_oci::Reference;
//! use soci_registry::{Client, ClientOptions, ManifestName};
//!
//! let Reference::Registry(reference) = "public.ecr.aws/docker/library/debian:12".parse()? else {
//!     return Err("not in a registry".into());
//! };
//! let repository = Client::new(ClientOptions::default())?.repository(&reference)?;
//! if let Some(manifest) = repository.fetch_manifest(ManifestName::Tag("12")).await? {
//!     println!("{}", manifest.descriptor.digest);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The protocol stands on `reqwest`, not on `oci-client`, which reads replies without a bound and hides the headers that
//! resuming and throttling need; `tests/why_not_oci_client.rs` shows it and fails once that is no longer so.

mod auth;
mod blob;
mod client;
mod credentials;
mod ecr;
mod error;
mod http;
mod manifest;
mod options;
mod push;
mod referrers;
mod registry;
mod secret;

#[cfg(test)]
#[path = "../tests/registry/fake.rs"]
#[expect(
    dead_code,
    reason = "the server of the other tests, which use all of it"
)]
mod fake;

pub use blob::stream::BlobStream;
pub use client::{Client, Repository};
pub use error::{
    ConfigurationError, Damage, Denial, ErrorClass, Fault, Operation, Refusal, RegistryError,
    Tries, Violation,
};
pub use http::request::Content;
pub use manifest::{Manifest, ManifestName};
pub use options::{ClientOptions, PlainHttp, RetryPolicy, Timeouts};
pub use push::{PushedBlob, PushedManifest};
pub use referrers::Referrers;
