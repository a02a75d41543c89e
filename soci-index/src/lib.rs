//! Builds the ztocs and SOCI indexes that a plan asks for.
//!
//! Nothing is decided here: given the plan and the layers, the index is determined byte for byte. A layer is read once, from
//! the store or as it streams from its source, and is inflated, scanned and digested in that one pass; nothing of it is kept.

mod args;
mod built;
mod image;
mod layer;
mod memory;
mod prefetch;
mod workers;

pub use args::Args;
