//! Decides which manifests and layers of an image are indexed, and how.
//!
//! Every decision of a run is made here and written into the document; the later stages only carry it out. Nothing here
//! reads a layer, a store or a network.

mod args;
mod explain;
mod plan;
mod prefetch;
mod reuse;

pub use args::Args;
