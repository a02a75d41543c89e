//! Registries, networks and disks that fail: what the tools then say, and what they leave behind.
//!
//! The names of the tests begin with their rows in the table of `docs/reliability.md`.

mod auth;
mod bodies;
mod connect;
mod documents;
mod durable;
mod environment;
mod fixture;
mod matrix;
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

use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::Sandbox,
};

use crate::stages::layer;

/// Returns a sandbox with the layout `image` of two layers, a registry that has it, and its reference there.
fn with_registry() -> (Sandbox, Faulty, String) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    let layers = Image::new("linux/amd64")
        .layer(layer(1, 20_000))
        .layer(layer(2, 3000));
    image::write_layout(&folder, &[layers]);
    let registry = Faulty::start();
    registry.push(&folder, "app:v1");
    let reference = format!("{}/app:v1", registry.host());
    (sandbox, registry, reference)
}
