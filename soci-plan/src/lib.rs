//! Decides which manifests and layers of an image are indexed, and how.
//!
//! Every decision of a run is made here and written into the document; the later stages only carry
//! it out. `soci-plan` reads no layer and no store, and sends no request.

mod args;
mod nothing;
mod plan;
mod prefetch;
mod reuse;
mod skipped;
mod tag;

pub use args::Args;
