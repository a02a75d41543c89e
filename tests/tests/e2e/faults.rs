//! Registries, networks and disks that fail: what the tools then say, and what they leave behind.
//!
//! The names of the tests begin with their rows in the table of `docs/reliability.md`.

mod auth;
mod bench;
mod bodies;
mod connect;
mod documents;
mod durable;
mod environment;
mod places;
mod push;
mod redirects;
mod resume;
mod scarcity;
mod secrets;
mod sharing;
mod signals;
mod status;
mod store;
mod traffic;
