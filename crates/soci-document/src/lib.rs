//! The document that the tools pass to each other: its types, its lines and its schema.
//!
//! One JSON document per image, one document per line. A stage enriches what it knows and keeps what it does not know, at
//! every level, so that users can carry fields of their own. Nothing here reads a file or prints.

pub mod exit;
pub mod lines;
pub mod model;
pub mod schema;
mod unique;

pub use exit::{Classify, Exit};
pub use lines::{DocumentError, parse, to_line};
pub use model::{
    Action, Document, Extra, IndexVersions, Indexes, LayerDecision, LayerEntry, LayerReason,
    ManifestDecision, ManifestEntry, ManifestReason, Optimization, Plan, Push, ReferrersVia,
    Timing, UnindexableReason, VERSION,
};
