//! Test support that the crates share: recorded reference data, images, registries, and a process
//! runner.
//!
//! All functions panic on failure, with the output of the process that failed, because only tests
//! call them.
#![expect(
    clippy::missing_panics_doc,
    reason = "every function of a test kit panics on failure"
)]

/// Archives of images.
pub mod archive;
/// Mocks of the AWS APIs that give credentials and tokens.
pub mod aws;
/// Ztocs that claim much memory.
pub mod bombs;
/// Secrets that a test plants, and the search for them.
pub mod canary;
/// Certificates for servers on loopback.
pub mod certificate;
/// Docker credential helpers.
pub mod credential_helper;
/// Damaged blobs.
pub mod damage;
/// The files of `deploy/`, and the programs that check them.
pub mod deploy;
/// A name server.
pub mod dns;
/// Documents of each stage, without the tools.
pub mod document;
/// The emulator of AWS Lambda.
pub mod emulator;
/// A registry that fails on request.
pub mod faulty;
/// Recorded output of the reference implementation.
pub mod golden;
/// An HTTP client.
pub mod http;
/// Small images.
pub mod image;
/// Limits on the memory of a tool.
pub mod limited;
/// The form of error messages.
pub mod message;
/// The AWS mock `moto_server`.
pub mod moto;
/// Tests in a network namespace.
pub mod namespace;
/// Addresses and host names of a namespace.
pub mod network;
/// Layouts that offer ztocs.
pub mod offers;
/// The tools as processes.
pub mod process;
/// An HTTP proxy.
pub mod proxy;
/// Real registries.
pub mod registry;
/// A tool that is still running.
pub mod running;
mod server;
/// Checks of a store.
pub mod store;
/// Tools at a terminal.
pub mod terminal;
/// A proxy that records the bytes of connections.
pub mod wiretap;
/// The workspace and its binaries.
pub mod workspace;
