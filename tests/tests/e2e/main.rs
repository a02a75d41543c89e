//! The four tools together, as users run them: real binaries, real registries, layouts on disk.
//!
//! A test here needs two tools, a real server, a network of its own or a program such as `strace`.
//! What one tool does alone is tested in the tool's own crate.

mod architecture;
mod archive;
mod book;
mod check;
mod consumer;
mod demo;
mod deploy;
mod documents;
mod earlier_documents;
mod ecr;
#[path = "../../../crates/soci-testkit/tests/entrypoint.rs"]
mod entrypoint;
mod goldens;
mod in_flight;
mod inspect;
mod install;
mod lambda;
mod layouts;
mod memory;
mod messages;
mod pipeline;
mod prune;
mod read_back;
mod readme;
mod recipes;
mod reliability;
mod reuse;
mod roots;
mod soak;
mod stages;
mod streams;
mod terminal;
