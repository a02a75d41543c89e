//! The refusals of AWS services: of the API for ECR, and of the services that give credentials.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::error::Refusal;
use crate::error::sanitize::sanitize;
use crate::http::rejection::element_text;

/// The last refusal of a service that gives AWS credentials. The errors of the AWS SDK hold it in
/// many types, and show it as Rust's debug text.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastRefusal(Arc<Mutex<Option<ServiceRefusal>>>);

/// A refusal, with the service that it comes from.
#[derive(Clone, Debug)]
pub(super) struct ServiceRefusal {
    /// The host of the service.
    pub(super) host: String,
    pub(super) refusal: Refusal,
}

impl LastRefusal {
    /// Records the last response: its refusal, or that it was none.
    pub(super) fn record(&self, refusal: Option<ServiceRefusal>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    /// Returns the refusal if the last response was one.
    pub(super) fn get(&self) -> Option<ServiceRefusal> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

/// The body of an error of the AWS JSON protocol. The other names are those of the service for
/// containers and of OAuth 2.
#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default, rename = "__type", alias = "code", alias = "error")]
    kind: String,
    #[serde(default, alias = "Message", alias = "error_description")]
    message: String,
}

/// Reads an error of the AWS JSON protocol or, as STS sends it, of the AWS query protocol. The code
/// of the former stands in a header or in the body, between an optional name space and an optional
/// address.
pub(crate) fn parse_refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(body);
    if let Some(code) = element_text(&text, "Code") {
        return Refusal {
            status,
            code: sanitize(code),
            message: sanitize(element_text(&text, "Message").unwrap_or_default()),
        };
    }
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let code = headers
        .get("x-amzn-errortype")
        .and_then(|value: &HeaderValue| value.to_str().ok())
        .unwrap_or(&body.kind);
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    Refusal {
        status,
        code: sanitize(code),
        message: sanitize(&body.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_errors_of_both_protocols() {
        let parse = |body: &str| {
            let refusal = parse_refusal(400, &HeaderMap::new(), body.as_bytes());
            (refusal.code, refusal.message)
        };
        let pair = |code: &str, message: &str| (code.to_owned(), message.to_owned());
        for (body, expected) in [
            (
                r#"{"__type":"com.amazon#AccessDeniedException","message":"no"}"#,
                pair("AccessDeniedException", "no"),
            ),
            (
                r#"{"__type":"ExpiredTokenException:http://x/","Message":"old"}"#,
                pair("ExpiredTokenException", "old"),
            ),
            (
                "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>old</Message></Error></ErrorResponse>",
                pair("ExpiredToken", "old"),
            ),
            (
                r#"{"error":"invalid_grant","error_description":"old"}"#,
                pair("invalid_grant", "old"),
            ),
            (r#"{"code":"X","message":"y"}"#, pair("X", "y")),
            ("", pair("", "")),
            ("null", pair("", "")),
        ] {
            assert_eq!(parse(body), expected, "{body}");
        }
        let mut headers = HeaderMap::new();
        let code = HeaderValue::from_static("UnauthorizedException:http://x/");
        headers.insert("x-amzn-errortype", code);
        let refusal = parse_refusal(401, &headers, br#"{"message":"Session token not found"}"#);
        assert_eq!(refusal.code, "UnauthorizedException");
    }
}
