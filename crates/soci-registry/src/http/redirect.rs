//! One step of a redirect, taken by hand.
//!
//! An HTTP library would follow by its own rules; these are the registry's: see [`Guard`].

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use url::Url;

use crate::error::Violation;
use crate::http::egress::Guard;

/// How many steps are taken.
pub(crate) const LIMIT: u32 = 5;

/// Says whether a status asks to go elsewhere.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Returns the place that a reply from `from` points to, once checked.
pub(crate) fn target(
    what: &'static str,
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
    guard: &Guard,
) -> Result<Url, Violation> {
    let missing = || Violation::Header {
        status: status.as_u16(),
        name: "Location",
    };
    let text = headers
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(missing)?;
    let url = from.join(text).ok().ok_or_else(missing)?;
    guard.check(what, &url)?;
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(Violation::Target {
            what,
            target: crate::http::egress::shown(&url),
            reason: "it leaves TLS",
        });
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(from: &str, location: Option<&str>) -> Result<String, Violation> {
        let from: Url = from.parse().expect("a URL");
        let mut headers = HeaderMap::new();
        if let Some(location) = location {
            headers.insert(LOCATION, location.parse().expect("a header value"));
        }
        let guard = Guard::new(from.clone());
        let status = StatusCode::TEMPORARY_REDIRECT;
        target("redirect", &from, status, &headers, &guard).map(String::from)
    }

    #[test]
    fn joins_what_is_relative() {
        let from = "https://r.example/v2/a/blobs/uploads/";
        assert_eq!(
            next(from, Some("/v2/x?_state=1")).expect("a URL"),
            "https://r.example/v2/x?_state=1"
        );
        assert_eq!(
            next(from, Some("https://r.example:443/x")).expect("a URL"),
            "https://r.example/x"
        );
    }

    #[test]
    fn refuses_what_is_missing_or_unsafe() {
        let from = "https://r.example/v2/";
        assert!(matches!(next(from, None), Err(Violation::Header { .. })));
        for location in ["http://r.example/", "ftp://r.example/", "file:///x"] {
            assert!(
                matches!(next(from, Some(location)), Err(Violation::Target { .. })),
                "{location}"
            );
        }
    }
}
