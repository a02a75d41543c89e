//! The document that the tools pass to each other: its types, its lines and its schema.
//!
//! There is one JSON document for each image, and one line for each document. A stage sets the
//! fields that it is responsible for and keeps the fields that it does not know, so that users can
//! add their own. This crate reads no file and prints nothing.

mod check;
mod decision;
mod exit;
mod explanation;
mod failed;
mod human_size;
mod image;
mod indexing;
mod lines;
mod model;
mod push;
mod schema;
mod structure;
mod summary;
mod unknown;

pub use check::{
    Check, CheckedIndex, CheckedManifest, ConvertedTag, FargateAnswer, Finding, LayerCoverage,
    Proved, Severity, Verdict,
};
pub use decision::{
    LayerDecision, LayerReason, ManifestDecision, ManifestReason, ReuseOrigin, UnindexableReason,
};
pub use exit::{Classify, Exit};
pub use explanation::Explanation;
pub use failed::{FailedImage, StageError};
pub use human_size::{HumanSize, HumanSizes};
pub use image::ImageReference;
pub use indexing::Indexing;
pub use lines::{DocumentError, Line, MAX_LINE, MalformedLine};
pub use model::{
    Document, IndexVersions, Indexes, LayerEntry, ManifestEntry, Optimization, Plan, Timing,
    VERSION,
};
pub use push::{IndexVersion, Push, PushedIndex, PushedTag, ReferrersVia};
pub use schema::json_schema;
pub use summary::{LayerTotal, SkipReason, SkippedLayers, Stage, Summary};
pub use unknown::UnknownFields;
