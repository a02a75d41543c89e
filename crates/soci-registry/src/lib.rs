//! A client for OCI distribution registries, including Amazon ECR: manifests, blobs, referrers and
//! uploads.
//!
//! A [`Client`] holds what a run shares: connections, credentials and tokens. A [`Repository`]
//! sends the requests. Responses are not trusted: every body has a limit, every redirect and token
//! server is checked before it is used, and content that is fetched by digest is verified. The
//! exception is [`BlobStream`], whose reader computes the digest while it reads.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use soci_oci::Reference;
//! use soci_registry::{Client, ClientOptions, ManifestName};
//!
//! let Reference::Registry(reference) = "public.ecr.aws/docker/library/debian:12".parse()? else {
//!     return Err("the image is not in a registry".into());
//! };
//! let repository = Client::new(ClientOptions::default())?.repository(&reference)?;
//! if let Some(manifest) = repository.fetch_manifest(ManifestName::Tag("12")).await? {
//!     println!("{}", manifest.descriptor.digest);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The crate uses `reqwest` and not `oci-client`, which reads responses without a limit and hides
//! the headers that resuming and throttling need. `tests/why_not_oci_client.rs` fails once this
//! changes.

mod auth;
mod blob;
mod classify;
mod client;
mod credentials;
mod ecr;
mod error;
/// Entry points for the fuzz targets.
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod http;
mod lookup;
mod manifest;
mod options;
mod push;
mod referrers;
mod registry;
mod repository;
mod secret;

#[cfg(test)]
#[path = "../tests/registry/fake.rs"]
#[expect(
    dead_code,
    reason = "the server of the other tests, which use all of it"
)]
mod fake;

pub use blob::presence::BlobPresence;
pub use blob::stream::BlobStream;
pub use client::Client;
pub use ecr::{ecr_private_host, is_ecr_private};
pub use error::{
    ConfigurationError, Damage, Denial, Fault, Operation, Refusal, RegistryError, TlsFailure,
    Tries, Violation,
};
pub use http::request::Content;
pub use lookup::leaves_open;
pub use manifest::{Manifest, ManifestName};
pub use options::{ClientOptions, Connections, PlainHttp, RetryPolicy, Timeouts};
pub use push::{PushedBlob, PushedManifest, SentManifest};
pub use referrers::{ReadTag, Referrers};
pub use repository::Repository;
