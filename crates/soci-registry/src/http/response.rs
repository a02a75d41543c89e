//! What a registry answers: good replies, and refusals made safe to show.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::error::Refusal;
use crate::error::sanitize::sanitize;

/// The reply to a request that got one.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A success, its body not yet read.
    Done(Response),
    /// A redirect to another origin that the request must not follow.
    Elsewhere,
    /// A refusal, its body read as far as it matters.
    Refused(Box<Refused>),
}

/// A refusal with what a program looks at.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) headers: HeaderMap,
    pub(crate) sender: Sender,
    /// The host, for messages.
    pub(crate) host: String,
}

/// Who answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sender {
    /// A place that the registry redirected to.
    Elsewhere,
    /// The one that was asked.
    Registry,
}

/// Why a body could not be read whole.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It broke off.
    Cut {
        /// Bytes that came.
        received: u64,
        /// How it ended.
        reason: String,
    },
    /// It is longer than the limit.
    TooLarge,
}

/// How many bytes of an error's body are read.
const ERROR_BODY: u64 = 64 << 10;

/// Reads a body of at most `limit` bytes, each piece within `idle`.
pub(crate) async fn read(
    mut response: Response,
    limit: u64,
    idle: Duration,
) -> Result<Bytes, ReadError> {
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(ReadError::TooLarge);
    }
    let mut body = BytesMut::new();
    loop {
        let cut = |reason: String| ReadError::Cut {
            received: body.len() as u64,
            reason,
        };
        match tokio::time::timeout(idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                if body.len() as u64 + bytes.len() as u64 > limit {
                    return Err(ReadError::TooLarge);
                }
                body.extend_from_slice(&bytes);
            }
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Err(error)) => return Err(cut(crate::http::error::causes(&error))),
            Err(_elapsed) => return Err(cut(format!("nothing for {} s", idle.as_secs_f64()))),
        }
    }
}

/// Reads as much of a refusal as is of use.
pub(crate) async fn refused(response: Response, sender: Sender, idle: Duration) -> Refused {
    let status = response.status();
    let headers = response.headers().clone();
    let host = crate::http::egress::host(response.url());
    let body = beginning(response, idle).await;
    Refused {
        refusal: refusal(status, &body),
        headers,
        sender,
        host,
    }
}

/// Reads a body until it ends, breaks, stalls or grows over the limit for errors.
async fn beginning(mut response: Response, idle: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    let limit = usize::try_from(ERROR_BODY).unwrap_or(usize::MAX);
    let idle = idle.min(Duration::from_secs(5));
    while body.len() < limit {
        match tokio::time::timeout(idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                body.extend_from_slice(&bytes[..bytes.len().min(limit - body.len())]);
            }
            _ => break,
        }
    }
    body
}

/// A registry's error document (OCI distribution-spec, "Error Codes").
#[derive(Deserialize)]
struct Errors {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// A token server's error document (RFC 6749, 5.2), or what others make of it.
#[derive(Deserialize)]
struct TokenError {
    #[serde(alias = "details")]
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

fn refusal(status: StatusCode, body: &[u8]) -> Refusal {
    let (code, message) = words(body);
    Refusal {
        status: status.as_u16(),
        code: sanitize(&code),
        message: sanitize(&message),
    }
}

/// Returns code and message of an error's body, whatever its form.
fn words(body: &[u8]) -> (String, String) {
    if let Ok(Errors { errors }) = serde_json::from_slice(body)
        && let Some(first) = errors.into_iter().next()
    {
        return (first.code, first.message.unwrap_or_default());
    }
    if let Ok(error) = serde_json::from_slice::<TokenError>(body) {
        return (error.error, error.error_description.unwrap_or_default());
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if let (Some(code), Some(message)) = (element(text, "Code"), element(text, "Message")) {
        return (code.to_owned(), message.to_owned());
    }
    if text.starts_with('<') {
        return (String::new(), String::new());
    }
    (String::new(), text.to_owned())
}

/// Returns the text of the first XML element with this name, as S3 writes its errors.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> (String, String) {
        let refusal = refusal(StatusCode::FORBIDDEN, body.as_bytes());
        (refusal.code, refusal.message)
    }

    fn pair(code: &str, message: &str) -> (String, String) {
        (code.to_owned(), message.to_owned())
    }

    #[test]
    fn understands_what_servers_say() {
        assert_eq!(
            of(r#"{"errors":[{"code":"DENIED","message":"no","detail":{}}]}"#),
            pair("DENIED", "no")
        );
        assert_eq!(
            of(r#"{"error":"invalid_scope"}"#),
            pair("invalid_scope", "")
        );
        assert_eq!(
            of(
                "<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code><Message>old</Message></Error>"
            ),
            pair("ExpiredToken", "old")
        );
        assert_eq!(of("<html><body>403</body></html>"), pair("", ""));
        assert_eq!(of("plain\n"), pair("", "plain"));
    }

    #[test]
    fn cannot_be_made_to_harm_a_terminal() {
        let (_, message) = of(&format!("\u{1b}[31m\u{202e}{}", "x".repeat(5000)));
        assert!(message.starts_with("\\u{1b}[31m\\u{202e}x"), "{message}");
        assert!(message.ends_with('…') && message.chars().count() <= 301);
    }
}
