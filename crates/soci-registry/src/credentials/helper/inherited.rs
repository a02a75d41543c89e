//! Which of this tool's variables a helper does not get.
//!
//! A helper is whatever program the user trusts with secrets, and may need any variable to find or to open its own: `PATH`,
//! `HOME`, `GNUPGHOME`, `GOOGLE_APPLICATION_CREDENTIALS`. What it does not need is the secrets that are here for others.

use crate::credentials::environment::PROXIES;
use crate::ecr::EcrHost;
use crate::http::clients;

/// Helpers that open a store on this machine, and so ask no proxy.
const STORES: [&str; 4] = ["osxkeychain", "pass", "secretservice", "wincred"];

/// The variables in which AWS credentials come, as values or as the way to them.
const AWS: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// Says whether a helper that is asked about `server` goes without a variable.
pub(super) fn is_withheld(helper: &str, server: &str, variable: &str, value: &str) -> bool {
    let is_proxy = PROXIES.contains(&variable);
    // Ours: they name a password, and mean nothing to others.
    variable.starts_with("SOCI_")
        || (AWS.contains(&variable) && EcrHost::parse(server).is_none())
        || (is_proxy && STORES.contains(&helper) && has_password(value))
}

/// Says whether a proxy's URL may hold a password. One that cannot be read may.
fn has_password(proxy: &str) -> bool {
    clients::proxy_url(proxy).map_or(true, |url| url.password().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withholds_what_is_for_others() {
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
