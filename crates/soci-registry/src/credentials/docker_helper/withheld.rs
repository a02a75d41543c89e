//! The environment variables that a credential helper does not inherit.
//!
//! The user trusts the helper, and it may need any variable to find or open its store: `PATH`,
//! `HOME`, `GNUPGHOME`, `GOOGLE_APPLICATION_CREDENTIALS`. It does not need secrets that are meant
//! for other programs or registries.

use crate::credentials::environment::PROXY_VARIABLES;
use crate::ecr::EcrHost;
use crate::http::clients;

/// Helpers that open a store on this machine and need no proxy.
const LOCAL_HELPERS: [&str; 4] = ["osxkeychain", "pass", "secretservice", "wincred"];

/// The variables that hold AWS credentials, or that lead to them.
const AWS_VARIABLES: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// Returns whether a variable is removed from the environment of `helper` when it is asked for a
/// credential of `server`: this tool's own variables, AWS credentials unless the server is an ECR
/// registry, and a proxy's password for a local helper.
pub(super) fn is_withheld(helper: &str, server: &str, variable: &str, value: &str) -> bool {
    let is_proxy = PROXY_VARIABLES.contains(&variable);
    variable.starts_with("SOCI_")
        || (AWS_VARIABLES.contains(&variable) && EcrHost::parse(server).is_none())
        || (is_proxy && LOCAL_HELPERS.contains(&helper) && may_have_password(value))
}

/// Returns whether a proxy's URL may hold a password. A URL that cannot be parsed may.
fn may_have_password(proxy: &str) -> bool {
    clients::proxy_url(proxy).map_or(true, |url| url.password().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withholds_secrets_that_the_helper_does_not_need() {
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let proxy = "http://u:p@proxy.example:3128";
        for (helper, server, variable, value, expected) in [
            ("pass", "r.example", "SOCI_PASSWORD", "x", true),
            ("ecr-login", ecr, "SOCI_PASSWORD", "x", true),
            ("pass", "r.example", "AWS_SECRET_ACCESS_KEY", "x", true),
            ("ecr-login", ecr, "AWS_SECRET_ACCESS_KEY", "x", false),
            ("pass", "r.example", "AWS_PROFILE", "x", false),
            ("pass", "r.example", "HTTPS_PROXY", proxy, true),
            ("pass", "r.example", "https_proxy", "u:p@[", true),
            ("pass", "r.example", "NO_PROXY", "r.example", false),
            ("pass", "r.example", "HTTPS_PROXY", "proxy:3128", false),
            ("gcloud", "r.example", "HTTPS_PROXY", proxy, false),
            ("pass", "r.example", "PATH", "/bin", false),
        ] {
            let found = is_withheld(helper, server, variable, value);
            assert_eq!(found, expected, "{helper} {server} {variable}");
        }
    }
}
