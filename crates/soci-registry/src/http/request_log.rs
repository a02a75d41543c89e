//! Logs every request with its outcome, at the most verbose level. No query, no user name and no
//! header that may be secret is logged.

use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::time::Instant;
use url::Url;

use super::egress::redact;
use crate::error::sanitize::sanitize;

/// The headers in which servers name a request, in the order of preference.
const REQUEST_ID_HEADERS: [&str; 8] = [
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-request-id",
    "x-ms-correlation-request-id",
    "x-ms-request-id",
    "x-github-request-id",
    "x-guploader-uploadid",
    "cf-ray",
];

/// Paths whose last part is a secret: ECS containers get their credentials there.
const SECRET_PATHS: [&str; 1] = ["/v2/credentials/"];

/// A request that was sent. It is logged when this is dropped: after its response was read, or when
/// no response came.
#[derive(Debug)]
pub(crate) struct RequestLog {
    method: Method,
    url: String,
    attempt: Option<u32>,
    started: Instant,
    /// Bytes of the body of the request.
    sent: Option<u64>,
    status: Option<u16>,
    request_id: Option<String>,
    /// Bytes of the body of the response.
    received: u64,
    /// Why no response came.
    error: Option<String>,
}

impl RequestLog {
    /// Starts the clock of a request. `attempt` counts from 1.
    pub(crate) fn start(method: &Method, url: &Url, attempt: Option<u32>) -> Self {
        Self {
            method: method.clone(),
            url: hide_secret_path(redact(url), url.path()),
            attempt,
            started: Instant::now(),
            sent: None,
            status: None,
            request_id: None,
            received: 0,
            error: None,
        }
    }

    /// Records the length of the body of the request, in bytes.
    pub(crate) fn record_body(&mut self, bytes: u64) {
        self.sent = Some(bytes);
    }

    /// Records the head of the response.
    pub(crate) fn record_head(&mut self, response: &reqwest::Response) {
        self.status = Some(response.status().as_u16());
        self.request_id = find_request_id(response.headers());
    }

    /// Records received bytes of the body of the response.
    pub(crate) const fn record_bytes(&mut self, bytes: u64) {
        self.received += bytes;
    }

    /// Records why no response came.
    pub(crate) fn record_failure(&mut self, reason: impl Into<String>) {
        self.error = Some(reason.into());
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        // A request that was cancelled has neither.
        if self.status.is_none() && self.error.is_none() {
            return;
        }
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::trace!(
            method = self.method.as_str(),
            url = self.url,
            status = self.status,
            error = self.error,
            sent = self.sent,
            bytes = self.status.map(|_| self.received),
            ms,
            request_id = self.request_id,
            attempt = self.attempt,
            "request"
        );
    }
}

/// Replaces the secret end of a path.
fn hide_secret_path(url: String, path: &str) -> String {
    let prefix = SECRET_PATHS
        .iter()
        .find(|prefix| path.starts_with(**prefix));
    match prefix.and_then(|prefix| url.split_once(prefix).zip(Some(prefix))) {
        Some(((origin, _), prefix)) => format!("{origin}{prefix}…"),
        None => url,
    }
}

fn find_request_id(headers: &HeaderMap) -> Option<String> {
    let mut found = REQUEST_ID_HEADERS
        .iter()
        .filter_map(|name| headers.get(*name));
    found.find_map(|value| Some(sanitize(value.to_str().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        RequestLog::start(&Method::GET, &url.parse().expect("a URL"), None)
            .url
            .clone()
    }

    #[test]
    fn shows_no_secret_of_a_url() {
        assert_eq!(
            shown("https://u:p@bucket.example/x/y?X-Amz-Signature=s#f"),
            "https://bucket.example/x/y"
        );
        assert_eq!(
            shown("http://169.254.170.2/v2/credentials/0000-1111"),
            "http://169.254.170.2/v2/credentials/…"
        );
        assert_eq!(
            shown("https://r.example/v2/app/manifests/v1"),
            "https://r.example/v2/app/manifests/v1"
        );
    }

    #[test]
    fn takes_the_first_request_id_and_escapes_it() {
        let mut headers = HeaderMap::new();
        assert_eq!(find_request_id(&headers), None);
        headers.insert("cf-ray", "c".parse().expect("a value"));
        headers.insert("x-amzn-requestid", "a\tb".parse().expect("a value"));
        assert_eq!(find_request_id(&headers).as_deref(), Some("a\\tb"));
    }
}
