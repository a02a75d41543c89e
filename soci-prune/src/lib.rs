//! Removes from the store what no recent index needs.
//!
//! `soci-prune` sends no request, and reads nothing but the store.

mod args;

pub use args::Args;
