//! The outcomes of requests, and their bodies.

use std::ops::Deref;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::body_clock::BodyClock;
use super::egress::display_host;
use super::error::describe_causes;
use super::rejection::{Rejection, Responder, parse_refusal};
use super::request_log::RequestLog;

/// A response whose body may not have been read yet. The request is logged when this is dropped.
#[derive(Debug)]
pub(crate) struct Response {
    response: reqwest::Response,
    log: Box<RequestLog>,
}

impl Response {
    /// Returns a response of which only the head has been read.
    pub(crate) fn new(response: reqwest::Response, mut log: RequestLog) -> Self {
        log.record_head(&response);
        Self {
            response,
            log: Box::new(log),
        }
    }

    /// Returns the next bytes of the body, or `None` at its end.
    pub(crate) async fn chunk(&mut self) -> reqwest::Result<Option<Bytes>> {
        let chunk = self.response.chunk().await?;
        let received = chunk.as_ref().map_or(0, Bytes::len);
        self.log.record_bytes(received as u64);
        Ok(chunk)
    }
}

impl Deref for Response {
    type Target = reqwest::Response;

    fn deref(&self) -> &Self::Target {
        &self.response
    }
}

/// The outcome of a request that got a response.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A status 2xx. The body has not been read.
    Success(Response),
    /// A redirect to another origin that the request does not follow.
    CrossOriginRedirect,
    /// Any other status. At most 64 KiB of the body have been read.
    Rejected(Box<Rejection>),
}

/// Why a body could not be read to its end.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The connection broke or stalled.
    Interrupted {
        /// Bytes that were received.
        received: u64,
        reason: String,
    },
    /// The body is longer than the limit.
    TooLarge {
        /// The length that the response announced, or the bytes that were received.
        found: u64,
    },
}

/// Reads a body of at most `limit` bytes. `idle` is the longest wait for the next bytes. A body
/// that is slower than [`BodyClock`] allows counts as interrupted.
///
/// # Errors
///
/// Returns an error if the body is longer than `limit`, or if it breaks, stalls or trickles.
pub(crate) async fn read_body(
    mut response: Response,
    limit: u64,
    idle: Duration,
) -> Result<Bytes, ReadError> {
    if let Some(length) = response.content_length().filter(|length| *length > limit) {
        return Err(ReadError::TooLarge { found: length });
    }
    let clock = BodyClock::start(idle);
    let mut body = BytesMut::new();
    loop {
        let received = body.len() as u64;
        let interrupted = |reason: String| ReadError::Interrupted { received, reason };
        let wait = clock.next_wait(received);
        match tokio::time::timeout(wait.time, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                let found = received + bytes.len() as u64;
                if found > limit {
                    return Err(ReadError::TooLarge { found });
                }
                body.extend_from_slice(&bytes);
            }
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Err(error)) => return Err(interrupted(describe_causes(&error))),
            Err(_elapsed) => return Err(interrupted(wait.describe())),
        }
    }
}

/// Bytes of the body of a rejection that are read.
const MAX_ERROR_BODY: u64 = 64 << 10;

/// Longest time to read the body of a rejection. What has come by then is used.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// Reads a rejection with the beginning of its body.
pub(super) async fn read_rejection(
    response: Response,
    responder: Responder,
    idle: Duration,
) -> Rejection {
    let status = response.status();
    let headers = response.headers().clone();
    let host = display_host(response.url());
    let body = read_prefix(response, idle.min(ERROR_BODY_TIME)).await;
    Rejection {
        refusal: parse_refusal(status, &body),
        headers,
        responder,
        host,
    }
}

/// Reads a body until it ends, breaks, takes longer than `time`, or reaches [`MAX_ERROR_BODY`].
async fn read_prefix(mut response: Response, time: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    let limit = usize::try_from(MAX_ERROR_BODY).unwrap_or(usize::MAX);
    let deadline = Instant::now() + time;
    while body.len() < limit {
        match tokio::time::timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                body.extend_from_slice(&bytes[..bytes.len().min(limit - body.len())]);
            }
            _ => break,
        }
    }
    body
}
