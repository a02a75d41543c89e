//! Removes from the store what no recent index needs.
//!
//! A file is removed if neither it nor a file that needs it was used for long, or if the store is
//! too large. `inventory` finds out which file needs which, `choice` chooses, and `prune`
//! removes. `soci-prune` sends no request, and reads nothing but the store.

mod args;
mod choice;
mod file;
mod inventory;
mod output;
mod prune;
mod sniff;
mod time;

pub use args::Args;
