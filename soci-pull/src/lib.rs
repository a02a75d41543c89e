//! Resolves image references and stores what the next stages need: manifests and configurations, and layers if asked for.
//!
//! A document leaves when all that it names is in the store. Layers stay where they are unless `--layers` is given:
//! `soci-index` streams them from the source.

mod args;
mod layers;
mod pull;

pub use args::Args;
