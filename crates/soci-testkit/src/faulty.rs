//! A registry inside the test process that can be made to fail, and that records all requests.
//!
//! Without further settings it follows the OCI distribution specification. `Setup` adds the
//! deviations of other registries, such as those of ECR. A `Rule` applies a `Fault` to some of
//! the requests, on any path, including the token endpoint and presigned URLs. `Faulty::requests`
//! returns what was received, and what was really sent.

mod app;
mod authorization;
mod blobs;
mod connection;
mod contents;
mod endpoint;
mod inspection;
mod log;
mod manifests;
mod rate_limit;
mod reply;
mod request;
mod router;
mod rule;
mod serve;
mod server;
mod setup;
mod state;
mod storage;
mod tokens;
mod uploads;

pub use self::{
    app::{app, registry_with_layers},
    contents::Contents,
    log::Entry,
    reply::Reply,
    request::Request,
    rule::{Fault, Rule},
    serve::FLIPPED,
    server::Faulty,
    setup::{Habit, Setup},
    storage::Manifest,
};
