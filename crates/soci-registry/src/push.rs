//! Uploads: a blob with one upload session and one `PUT`, a manifest with one `PUT`.
//!
//! Blobs are sent in a `PATCH` only to registries that ignore the content of a `PUT`: it takes one
//! request more, and the responses of Amazon ECR to it differ from the specification. A session
//! that has failed is never used again.

mod blob;
pub(crate) mod manifest;
pub(crate) mod mode;
pub(crate) mod sessions;
mod stored_digest;
mod stored_manifest;
mod upload;

pub use blob::PushedBlob;
pub use manifest::PushedManifest;
pub use stored_manifest::SentManifest;
