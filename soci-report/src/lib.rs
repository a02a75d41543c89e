//! Reports on documents: what is indexed, what is skipped and why, and what to deploy.
//!
//! `soci-report` reads the documents of any stage and writes one report. It reads no store and no
//! layer, and sends no request.

mod args;
mod clean;
mod html;
mod markdown;
mod read;
mod report;
mod text;
mod units;
mod wording;

pub use args::Args;
