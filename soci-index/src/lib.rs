//! Builds the ztocs and SOCI indexes that a plan asks for.
//!
//! Nothing is decided here: given the plan and the layers, the index is determined byte for byte. A layer is read once, from
//! the store or as it streams from its source, and is inflated, scanned and digested in that one pass; nothing of it is kept.
//! A layer whose ztoc is known, from an earlier run or from an index beside the image, is not read at all.

mod args;
mod built;
mod image;
mod layer;
mod layers;
mod memory;
mod prefetch;
mod reuse;

pub use args::Args;
