//! Test support that the crates share: recorded reference data, images, registries, and a process
//! runner.
//!
//! All functions panic on failure, with the output of the process that failed, because only tests
//! call them.
#![expect(
    clippy::missing_panics_doc,
    reason = "every function of a test kit panics on failure"
)]

pub mod aws;
pub mod canary;
pub mod certificate;
pub mod credential_helper;
pub mod damage;
pub mod dns;
pub mod document;
pub mod faulty;
pub mod golden;
pub mod http;
pub mod image;
pub mod moto;
pub mod namespace;
pub mod network;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod running;
mod server;
pub mod store;
pub mod wiretap;
pub mod workspace;
