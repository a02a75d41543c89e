//! Faults of registries, of networks and of what lies around the tools, one test for each row of the acceptance matrix.
//!
//! A test's name starts with its row.

mod bench;
mod bodies;
mod redirects;
mod resume;
mod status;
mod traffic;
