//! Responses that reject a request. Their text is escaped, so that it can be shown.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use super::retry::FailureKind;
use crate::error::sanitize::sanitize;
use crate::error::{Fault, Refusal};

/// A response that rejects a request.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) refusal: Refusal,
    pub(crate) headers: HeaderMap,
    pub(crate) responder: Responder,
    /// The host with its port, for messages.
    pub(crate) host: String,
}

impl Rejection {
    /// Returns the rejection as a fault of the server.
    pub(super) fn into_fault(self) -> Fault {
        Fault::Status {
            host: self.host,
            refusal: self.refusal,
        }
    }
}

/// The server that answers a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Responder {
    /// The origin of the request.
    Origin,
    /// Another origin, which a redirect led to.
    RedirectTarget,
}

/// The error document of a registry (OCI distribution-spec, "Error Codes").
#[derive(Deserialize)]
struct ErrorDocument {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// The error document of a token server (RFC 6749, section 5.2). Some servers name its field
/// `details`.
#[derive(Deserialize)]
struct TokenErrorDocument {
    #[serde(alias = "details")]
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

pub(crate) fn parse_refusal(status: StatusCode, body: &[u8]) -> Refusal {
    let (code, message) = parse_error_body(body);
    Refusal {
        status: status.as_u16(),
        code: sanitize(&code),
        message: sanitize(&message),
    }
}

/// Returns the code and the message of an error document: JSON of a registry or a token server, XML
/// of S3, or plain text as the message. Both are empty for HTML.
fn parse_error_body(body: &[u8]) -> (String, String) {
    if let Ok(ErrorDocument { errors }) = serde_json::from_slice(body)
        && let Some(first) = errors.into_iter().next()
    {
        return (first.code, first.message.unwrap_or_default());
    }
    if let Ok(error) = serde_json::from_slice::<TokenErrorDocument>(body) {
        return (error.error, error.error_description.unwrap_or_default());
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if let (Some(code), Some(message)) = (element_text(text, "Code"), element_text(text, "Message"))
    {
        return (code.to_owned(), message.to_owned());
    }
    if text.starts_with('<') {
        return (String::new(), String::new());
    }
    (String::new(), text.to_owned())
}

/// Returns the text of the first XML element with the given name.
pub(crate) fn element_text<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner)
}

/// Returns the kind of failure that a rejection is.
pub(super) fn classify_rejection(rejection: &Rejection) -> FailureKind {
    let refusal = &rejection.refusal;
    let is_throttle = refusal.status == 429
        || refusal.code == "TOOMANYREQUESTS"
        || refusal.code.starts_with("Throttling")
        || (refusal.status == 400 && refusal.message.contains("ThrottlingException"));
    let retry_after = parse_retry_after(&rejection.headers);
    match refusal.status {
        _ if is_throttle => FailureKind::Throttled(retry_after),
        503 if retry_after.is_some() => FailureKind::Throttled(retry_after),
        408 | 500 | 502 | 503 | 504 | 522 => FailureKind::Transient,
        400 | 401 | 403 | 404 if rejection.responder == Responder::RedirectTarget => {
            FailureKind::ExpiredRedirect
        }
        _ => FailureKind::Permanent,
    }
}

/// Returns the time in `Retry-After` (RFC 9110, section 10.2.3): seconds, or the time until a date.
/// It is zero for a date in the past.
pub(crate) fn parse_retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the header holds a date, which only the time of day can be compared with"
    )]
    let now = SystemTime::now();
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> (String, String) {
        let refusal = parse_refusal(StatusCode::FORBIDDEN, body.as_bytes());
        (refusal.code, refusal.message)
    }

    fn pair(code: &str, message: &str) -> (String, String) {
        (code.to_owned(), message.to_owned())
    }

    #[test]
    fn parses_the_error_documents_of_registries_token_servers_and_s3() {
        assert_eq!(
            parse(r#"{"errors":[{"code":"DENIED","message":"no","detail":{}}]}"#),
            pair("DENIED", "no")
        );
        assert_eq!(
            parse(r#"{"error":"invalid_scope"}"#),
            pair("invalid_scope", "")
        );
        assert_eq!(
            parse(
                "<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code><Message>old</Message></Error>"
            ),
            pair("ExpiredToken", "old")
        );
        assert_eq!(parse("<html><body>403</body></html>"), pair("", ""));
        assert_eq!(parse("plain\n"), pair("", "plain"));
    }

    #[test]
    fn escapes_and_cuts_messages() {
        let (_, message) = parse(&format!("\u{1b}[31m\u{202e}{}", "x".repeat(5000)));
        assert!(message.starts_with("\\u{1b}[31m\\u{202e}x"), "{message}");
        assert!(message.ends_with('…') && message.chars().count() <= 301);
    }

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().expect("a header value"));
        headers
    }

    fn rejection(status: u16, responder: Responder) -> Rejection {
        Rejection {
            refusal: Refusal {
                status,
                code: String::new(),
                message: String::new(),
            },
            headers: HeaderMap::new(),
            responder,
            host: "r.example".to_owned(),
        }
    }

    #[test]
    fn parses_retry_after() {
        let past = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(
            parse_retry_after(&headers("7")),
            Some(Duration::from_secs(7))
        );
        assert_eq!(parse_retry_after(&headers(past)), Some(Duration::ZERO));
        for text in ["-1", "soon", "", "1.5", "99999999999999999999999"] {
            assert_eq!(parse_retry_after(&headers(text)), None, "{text}");
        }
    }

    #[test]
    fn classifies_rejections() {
        assert_eq!(
            classify_rejection(&rejection(404, Responder::Origin)),
            FailureKind::Permanent
        );
        assert_eq!(
            classify_rejection(&rejection(403, Responder::RedirectTarget)),
            FailureKind::ExpiredRedirect
        );
        assert_eq!(
            classify_rejection(&rejection(503, Responder::Origin)),
            FailureKind::Transient
        );
        let mut throttled = rejection(503, Responder::Origin);
        throttled.headers = headers("2");
        assert_eq!(
            classify_rejection(&throttled),
            FailureKind::Throttled(Some(Duration::from_secs(2)))
        );
        let mut throttled = rejection(400, Responder::Origin);
        throttled.refusal.code = "ThrottlingException".to_owned();
        assert_eq!(classify_rejection(&throttled), FailureKind::Throttled(None));
    }
}
