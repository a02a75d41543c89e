//! Pushes SOCI indexes and converted images to where their image lies, or to another place.
//!
//! What is there already is not sent again. Blobs go first, manifests next, tags last, so that nothing half-done is ever
//! visible, and a second run after a failure sends only what is missing.

mod args;
mod content;
mod image;
mod tags;
mod upload;

pub use args::Args;
