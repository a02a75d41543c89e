//! The image `app:v1`, which most tests of a registry use.

use super::{server::Faulty, setup::Setup};
use crate::{
    image::{self, Image, random_layer},
    process::Sandbox,
};

impl Faulty {
    /// Adds an image for `linux/amd64` as `app:v1`, whose layers have these sizes in bytes.
    pub fn push_layers(&self, layers: &[usize]) {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let layers = (1..).zip(layers);
        let layers = layers.map(|(seed, length)| random_layer(seed, *length));
        let image = Image::new("linux/amd64").layers(layers);
        image::write_layout(&layout, &[image]);
        self.push(&layout, "app:v1");
    }
}

/// Starts a registry with an image `app:v1`, whose layers have these sizes in bytes.
pub fn registry_with_layers(setup: Setup, layers: &[usize]) -> Faulty {
    let registry = setup.start();
    registry.push_layers(layers);
    registry
}

/// Returns the reference of the image `app:v1` in a registry.
pub fn app(registry: &Faulty) -> String {
    format!("{}/app:v1", registry.host())
}
