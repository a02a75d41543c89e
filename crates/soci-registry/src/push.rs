//! Uploads: a blob with one upload session and one `PUT`, a manifest with one `PUT`.
//!
//! Blobs are not sent in chunks (`PATCH`): what this project uploads is small, and the responses of
//! Amazon ECR to chunks differ from the specification. A session that has failed is never used
//! again.

mod blob;
pub(crate) mod manifest;
pub(crate) mod sessions;
mod stored_digest;

pub use blob::PushedBlob;
pub use manifest::PushedManifest;
