//! Registries, networks and disks that fail, in tests that need more than one tool and its process.
//!
//! The documentation of a test begins with its rows in the table of `docs/reliability.md`.

mod auth;
mod connect;
mod documents;
mod durable;
mod environment;
mod matrix;
mod push;
mod redirects;
mod scarcity;
mod secrets;
mod signals;
mod store;

use soci_testkit::{
    faulty::Faulty,
    image::{self, Image},
    process::Sandbox,
};

use crate::stages::layer;

/// Returns a sandbox with the layout `image` of two layers, a registry that has it, and its
/// reference there.
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
