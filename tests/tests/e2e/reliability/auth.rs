//! Credentials on networks of their own: the tokens of ECR, and servers that must get none.

pub(crate) mod aws;
mod servers;

use std::path::Path;

use soci_testkit::{
    faulty::{Faulty, Setup},
    image::{self, Image},
    process::{Finished, Sandbox, Tool},
};

use crate::{
    reliability::secrets::assert_no_secret,
    stages::{assert_sound, layer, stage},
};

pub(crate) const USER: &str = "AWS";
pub(crate) const PASSWORD: &str = "canary-password";

/// Puts an image with layers of these sizes into a registry, as `app:v1`.
pub(crate) fn push_image(registry: &Faulty, layers: &[usize]) {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("image");
    write_image(&folder, layers);
    registry.push(&folder, "app:v1");
}

fn write_image(folder: &Path, layers: &[usize]) {
    let mut image = Image::new("linux/amd64");
    for (seed, length) in (1..).zip(layers) {
        image = image.layer(layer(seed, *length));
    }
    image::write_layout(folder, &[image]);
}

/// Starts a registry with an image of layers of these sizes.
pub(crate) fn registry_with_layers(setup: Setup, layers: &[usize]) -> Faulty {
    let registry = setup.start();
    push_image(&registry, layers);
    registry
}

/// Returns the image's reference in a registry.
pub(crate) fn app(registry: &Faulty) -> String {
    format!("{}/app:v1", registry.host())
}

/// Sets short waits between retries.
pub(crate) fn with_short_waits(tool: Tool) -> Tool {
    tool.env("SOCI_RETRY_WAIT", "0.005")
}

/// Sets the registries' user and password.
pub(crate) fn logged_in(tool: Tool) -> Tool {
    with_short_waits(tool)
        .env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
}

/// Returns a pull of an image with the most verbose log.
pub(crate) fn pull(sandbox: &Sandbox, reference: &str) -> Tool {
    let tool = stage(sandbox, "soci-pull").arg(reference);
    with_short_waits(tool).env("SOCI_VERBOSE", "2")
}

/// Asserts the status and the message of a failure, and that no unfinished file and no secret was
/// left behind.
#[track_caller]
pub(crate) fn assert_fails(sandbox: &Sandbox, ended: Finished, code: i32, says: &[&str]) {
    let mut ended = ended.ends_with(code);
    for text in says {
        ended = ended.says(text);
    }
    assert!(ended.stdout.is_empty(), "{}", ended.text());
    assert_sound(&sandbox.store());
    assert_no_secret(sandbox, &[&ended]);
}
