//! Pushes SOCI indexes and converted images to the repository, layout or archive of the image, or
//! to another one.
//!
//! What the destination holds already is not sent again. Blobs are sent first, manifests and tags
//! next, and SOCI indexes of version 1 last, so that no tag or manifest ever names something that
//! is missing, and a second run after a failure sends only the rest.

mod args;
mod claims;
mod content;
mod publish;
mod push;
mod referrers;
mod tags;
mod targets;
mod uploader;

pub use args::Args;
