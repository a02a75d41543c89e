//! Resolves image references, and stores the manifests, configurations and, on request, layers.
//!
//! A document is written when everything that it names is in the store. Unless `--layers` is given,
//! layers are not stored, and `soci-index` streams them from the source.

mod args;
mod budget;
mod config;
mod converted;
mod layers;
mod manifests;
mod pull;

pub use args::Args;
