//! Resolves and checks the `Location` header of a response.
//!
//! Redirects are not left to the HTTP library, because every target is checked against the
//! [`EgressPolicy`] first.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

use super::egress::{EgressPolicy, redact};
use super::response::Response;
use crate::error::Violation;

/// Number of redirects that one request follows.
pub(crate) const MAX_REDIRECTS: u32 = 5;

/// Returns whether a status is a redirect with a `Location` header (RFC 9110, section 15.4).
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Returns the URL in the `Location` header of a response, once it has been checked. `what` names
/// the kind of URL in the error, such as `redirect`.
///
/// # Errors
///
/// Returns an error if the header is missing or malformed, if the policy forbids the URL, or if it
/// leaves TLS.
pub(crate) fn resolve_location(
    what: &'static str,
    response: &Response,
    policy: &EgressPolicy,
) -> Result<Url, Violation> {
    let from = response.url();
    let url = parse_location(from, response.headers()).ok_or_else(|| Violation::Header {
        status: response.status().as_u16(),
        name: "Location",
    })?;
    check_location(what, from, &url, policy)?;
    Ok(url)
}

/// Returns the URL in the `Location` header, which may be relative to `from`.
pub(crate) fn parse_location(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let text = headers.get(LOCATION)?.to_str().ok()?;
    from.join(text).ok()
}

pub(crate) fn check_location(
    what: &'static str,
    from: &Url,
    to: &Url,
    policy: &EgressPolicy,
) -> Result<(), Violation> {
    policy.check_url(what, to)?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(Violation::Target {
            what,
            target: redact(to),
            reason: "it goes from HTTPS to plain HTTP",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(from: &str, text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, text.parse().expect("a header value"));
        let from = from.parse().expect("a URL");
        parse_location(&from, &headers).map(String::from)
    }

    #[test]
    fn resolves_relative_and_absolute_locations() {
        let from = "https://r.example/v2/a/blobs/uploads/";
        assert_eq!(
            location(from, "/v2/x?_state=1").as_deref(),
            Some("https://r.example/v2/x?_state=1")
        );
        assert_eq!(
            location(from, "https://r.example:443/x").as_deref(),
            Some("https://r.example/x")
        );
        let from = from.parse().expect("a URL");
        assert_eq!(parse_location(&from, &HeaderMap::new()), None);
    }

    #[test]
    fn refuses_unsafe_locations() {
        let from: Url = "https://r.example/v2/".parse().expect("a URL");
        let policy = EgressPolicy::new(from.clone());
        for location in ["http://r.example/", "ftp://r.example/", "file:///x"] {
            let to = location.parse().expect("a URL");
            let checked = check_location("redirect", &from, &to, &policy);
            assert!(
                matches!(checked, Err(Violation::Target { .. })),
                "{location}"
            );
        }
    }
}
