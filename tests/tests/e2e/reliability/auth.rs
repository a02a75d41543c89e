//! Credentials on networks of their own: the tokens of ECR, and servers that must get none.

pub(crate) mod aws;
mod servers;

pub(crate) use soci_testkit::faulty::{app, registry_with_layers};
use soci_testkit::{
    message::assert_clear_errors,
    process::{Finished, Sandbox, Tool},
};

use crate::{
    reliability::secrets::assert_no_secret,
    stages::{assert_sound, stage},
};

pub(crate) const USER: &str = "AWS";
pub(crate) const PASSWORD: &str = "canary-password";

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
    ended.writes_only_its_failure();
    assert_clear_errors(&ended);
    assert_sound(&sandbox.store());
    assert_no_secret(sandbox, &[&ended]);
}
