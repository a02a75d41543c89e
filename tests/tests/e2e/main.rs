//! The four tools together, as their users run them: real binaries, real registries, layouts on disk.
//!
//! A test here asserts what a user relies on: exit status, message, documents, and what lies in the registry, the layout
//! and the store afterwards. What one tool or one crate can show by itself is tested there.

mod architecture;
mod bad_input;
mod documents;
mod ecr;
mod goldens;
mod layouts;
mod memory;
mod pipeline;
mod read_back;
mod reliability;
mod reuse;
mod soak;
mod stages;
mod streams;
