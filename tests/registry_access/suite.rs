//! How a tool reaches a registry: credentials, credential helpers, connections and TLS.
//!
//! The tests of `soci-pull` and `soci-push` include this module, so every test here runs for both.
//! The including crate provides `access`, which returns its tool about to read or write the image
//! `app:v1` by a reference, `app`, which returns the image's reference, `registry_with_layers`,
//! which starts a registry with the image, and `assert_fails`.

mod credentials;
mod helpers;
mod sources;
mod tls;

use soci_testkit::process::Tool;

/// The user and the password of the registries.
pub(crate) const USER: &str = "AWS";
pub(crate) const PASSWORD: &str = "canary-password";

/// Gives a tool the registries' user and password.
pub(crate) fn logged_in(tool: Tool) -> Tool {
    tool.env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
}
