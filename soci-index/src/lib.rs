//! Builds the ztocs and SOCI indexes that a plan asks for.
//!
//! The plan and the layers determine the index byte for byte; nothing is decided here. A layer is
//! read once, from the store or as it streams from its source. In that one pass it is decompressed,
//! scanned and digested, and no copy of it is kept. A layer is not read at all if its ztoc is found
//! in the store's cache, or in a SOCI index beside the image.

mod args;
mod cache;
mod context;
mod conversion;
mod diagnosis;
mod image;
mod large_tables;
mod layer;
mod layer_key;
mod layers;
mod outcome;
mod prefetch;
mod priority;
mod reuse;
mod skipped;
mod soci_index;
mod strictness;
mod trust;
mod violations;

pub use args::Args;
