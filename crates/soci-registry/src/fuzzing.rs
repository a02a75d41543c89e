//! Entry points for the fuzz targets, which are in the folder `fuzz` and see only public items.
//! Compiled for tests and with the feature `fuzzing`, and so not part of the crate's interface.
//!
//! Each function panics if a property of what it has parsed does not hold.
#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is what a fuzz target looks for"
)]

use std::path::Path;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use url::Url;

use crate::auth::challenge::{Challenge, parse_challenge};
use crate::auth::scope::Scope;
use crate::blob::content_range::ContentRange;
use crate::credentials::docker_config::{DockerConfig, canonical_host};
use crate::credentials::docker_helper::{parse_reply, program_name};
use crate::ecr::{EcrHost, api, refusal};
use crate::error::Refusal;
use crate::http::egress::{EgressPolicy, is_same_origin, redact};
use crate::http::redirect::{check_location, parse_location};
use crate::http::rejection::{parse_refusal, parse_retry_after};
use crate::manifest::kind::find_media_type;
use crate::referrers::api::find_next_link;

/// The most characters of a server's text that an error shows, each escaped.
const MAX_SHOWN: usize = 20_000;

/// Reads the head of a response as if it came from the registry at `origin`.
pub fn read_head(origin: &Url, headers: &HeaderMap) {
    if let Some(Challenge::Bearer { scope, .. }) = parse_challenge(headers) {
        let mut requested = Scope::pull("team/app");
        requested.add_from_challenge(&scope);
        // A registry must not obtain tokens for other repositories.
        for scope in requested
            .iter()
            .filter(|scope| scope.starts_with("repository:"))
        {
            assert!(scope.starts_with("repository:team/app:"), "{scope}");
        }
    }
    let policy = EgressPolicy::new(origin.clone());
    if let Some(location) = parse_location(origin, headers)
        && check_location("redirect", origin, &location, &policy).is_ok()
    {
        assert!(matches!(location.scheme(), "http" | "https"));
        assert!(origin.scheme() == "http" || location.scheme() == "https");
        assert!(location.username().is_empty() && location.password().is_none());
        assert!(!redact(&location).contains('?'));
    }
    for value in headers.values().filter_map(|value| value.to_str().ok()) {
        if let Some(range) = ContentRange::parse(value) {
            assert!(range.first <= range.last && range.last < range.total);
        }
        let next = find_next_link(value).and_then(|link| origin.join(link).ok());
        if let Some(next) = next.filter(|next| is_same_origin(origin, next)) {
            assert_eq!(next.host(), origin.host());
        }
    }
    let _wait = parse_retry_after(headers);
}

/// Reads the body of a response: as an error, as a manifest, and as a token of ECR.
pub fn read_body(status: u16, headers: &HeaderMap, body: &[u8]) {
    let status_code = StatusCode::from_u16(status).unwrap_or_default();
    check_refusal(&parse_refusal(status_code, body));
    check_refusal(&refusal::parse_refusal(status, headers, body));
    let served = headers.get("content-type");
    let served = served.and_then(|value| value.to_str().ok());
    if let Err(damage) = find_media_type(body, served.unwrap_or_default()) {
        assert!(!damage.to_string().is_empty());
    }
    if let Ok(token) = api::parse_token(body) {
        assert_eq!(format!("{token:?}"), "Secret(***)");
    }
}

/// Reads the name of a registry, a Docker configuration, and the reply of a credential helper.
pub fn read_credentials(registry: &str, config: &[u8], reply: &[u8]) {
    if let Some(host) = EcrHost::parse(registry) {
        assert!(!host.region().is_empty());
    }
    let canonical = canonical_host(registry);
    assert_eq!(canonical_host(&canonical), canonical);
    drop(parse_reply(reply));
    let Ok(config) = serde_json::from_slice::<DockerConfig>(config) else {
        return;
    };
    let _own = config.credential_for(registry, Path::new("config.json"));
    let helpers = [
        config.host_helper(registry),
        config.default_helper(registry),
    ];
    for helper in helpers.into_iter().flatten() {
        assert!(program_name(helper).starts_with("docker-credential-"));
    }
}

/// Checks that a refusal can be shown on a terminal.
fn check_refusal(refusal: &Refusal) {
    for text in [&refusal.code, &refusal.message] {
        assert!(text.len() <= MAX_SHOWN, "{} bytes are shown", text.len());
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_input_has_the_properties() {
        let origin: Url = "https://r.example/v2/".parse().expect("a URL");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (
                "www-authenticate",
                r#"Bearer realm="https://a/t",scope="repository:b:pull""#,
            ),
            ("location", "https://cdn.example/x?signature=1"),
            ("content-range", "bytes 1-8/9"),
            ("link", "</v2/a/referrers/x?n=2>; rel=\"next\""),
            ("retry-after", "3"),
        ] {
            headers.insert(name, value.parse().expect("a header value"));
        }
        read_head(&origin, &headers);
        read_body(
            403,
            &headers,
            br#"{"errors":[{"code":"DENIED","message":"\u001b[1m"}]}"#,
        );
        let config = br#"{"auths":{"r.example":{"auth":"YTpi"}},"credsStore":"pass"}"#;
        read_credentials(
            "r.example",
            config,
            br#"{"Username":"a","Secret":"canary"}"#,
        );
    }
}
