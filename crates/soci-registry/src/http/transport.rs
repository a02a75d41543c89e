//! Sends requests, with retries, redirects and timeouts. All requests of this crate are sent here,
//! except those of the AWS SDK (see [`crate::ecr`]).
//!
//! The credentials come from the caller (see [`crate::auth`]). They are sent to the origin that the
//! request names, and never along a redirect to another origin.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use url::Url;

use super::clients::RegistryClients;
use super::egress::{display_host, is_same_origin};
use super::error::{TransportFailure, classify_error};
use super::redirect::{self, MAX_REDIRECTS};
use super::rejection::{Rejection, Responder, classify_rejection};
use super::request::{Body, RedirectPolicy, Request};
use super::request_log::RequestLog;
use super::response::{Outcome, Response, read_rejection};
use super::retry::{Backoff, FailureKind, RetryBudget, wait_before_retry};
use super::upload_body;
use crate::error::{Fault, Operation, RegistryError, Tries, Violation};
use crate::options::{RetryPolicy, Timeouts};

/// Most bytes in the names and values of the header fields of a response. The HTTP library stops
/// at 408 KiB and 100 fields.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Sends requests within the timeouts and the retry budget that all requests of a run share.
#[derive(Debug)]
pub(crate) struct HttpTransport {
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: RetryPolicy,
    pub(crate) budget: RetryBudget,
    /// How many requests were throttled.
    throttled: AtomicU64,
}

impl HttpTransport {
    /// Returns a new transport with the given limits.
    pub(crate) fn new(timeouts: Timeouts, retries: RetryPolicy) -> Self {
        Self {
            timeouts,
            budget: RetryBudget::new(&retries),
            retries,
            throttled: AtomicU64::new(0),
        }
    }

    /// Returns how many requests were throttled so far.
    pub(crate) fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    /// Returns the retry state of one request.
    pub(crate) fn backoff(&self) -> Backoff<'_> {
        Backoff::new(&self.retries, &self.budget)
    }

    /// Sends a request until it has an outcome that another try would not change. `authorization`
    /// is sent to the origin of the request only.
    ///
    /// # Errors
    ///
    /// Returns an error if the retries are exhausted, if a redirect is not allowed, or if the
    /// content of an upload cannot be read. A rejection is no error but an [`Outcome`].
    pub(crate) async fn send_with_retries(
        &self,
        clients: &RegistryClients,
        operation: &Operation,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Outcome, RegistryError> {
        let mut backoff = self.backoff();
        let manifests = clients.manifest_turn();
        let mut turn = manifests.before_first_try(request).await;
        loop {
            let attempt = Attempt {
                operation,
                request,
                authorization,
                number: backoff.tries().count + 1,
            };
            let sent = self.send_through_redirects(clients, attempt).await;
            let (kind, failure) = match sent {
                Ok(Outcome::Rejected(rejection)) => (classify_rejection(&rejection), Ok(rejection)),
                Ok(outcome) => {
                    backoff.record_success();
                    return Ok(outcome);
                }
                Err(failure) => {
                    let (fault, kind) = failure.into_fault(operation)?;
                    (kind, Err(fault))
                }
            };
            let is_throttled = matches!(kind, FailureKind::Throttled(_));
            if is_throttled {
                self.throttled.fetch_add(1, Ordering::Relaxed);
            }
            // A stream is not sent again here: the caller opens a new upload session first.
            let delay = backoff.next_delay(match request.body {
                Body::Upload { .. } => FailureKind::Permanent,
                Body::Empty | Body::Bytes(_) => kind,
            });
            match (delay, failure) {
                (Some(delay), failure) => {
                    let reason = match failure {
                        Ok(rejection) => rejection.into_fault(),
                        Err(fault) => fault,
                    };
                    let reason = reason.describe(operation);
                    let failed = Instant::now();
                    if is_throttled {
                        turn = manifests.after_throttling(request, turn).await;
                    }
                    let delay = delay.saturating_sub(failed.elapsed());
                    wait_before_retry(operation, &reason, backoff.tries(), delay).await;
                }
                (None, Ok(rejection)) => {
                    return exhausted(operation, rejection, kind, backoff.tries());
                }
                (None, Err(fault)) => return Err(operation.unavailable(fault, backoff.tries())),
            }
        }
    }

    /// Sends a request once, and follows its redirects.
    async fn send_through_redirects(
        &self,
        clients: &RegistryClients,
        attempt: Attempt<'_>,
    ) -> Result<Outcome, TransportFailure> {
        let Attempt {
            operation, request, ..
        } = attempt;
        let policy = clients.policy();
        let mut url = request.url.clone();
        // Once a redirect leaves the origin, credentials are never sent again, even if a later one
        // returns to it.
        let mut responder = Responder::Origin;
        for _ in 0..=MAX_REDIRECTS {
            self.check_host(clients, &url).await?;
            let builder = clients
                .client_for(&url)
                .request(request.method.clone(), url.clone())
                .headers(request_headers(request, attempt.authorization, responder));
            let response = self.send_logged(builder, attempt, &url).await?;
            let peer = response.remote_addr().map(|address| address.ip());
            policy.observe_peer(&url, peer)?;
            check_header_size(response.headers())?;
            let status = response.status();
            if status.is_success() {
                return Ok(Outcome::Success(response));
            }
            if !request.follows(status) {
                let rejection = read_rejection(response, responder, self.timeouts.idle).await;
                return Ok(Outcome::Rejected(Box::new(rejection)));
            }
            let next = redirect::resolve_location("redirect", &response, policy)?;
            tracing::debug!("{operation}: redirected to `{}`", display_host(&next));
            if !is_same_origin(&url, &next) {
                responder = Responder::RedirectTarget;
            }
            if responder == Responder::RedirectTarget
                && request.redirects == RedirectPolicy::SameOrigin
            {
                return Ok(Outcome::CrossOriginRedirect);
            }
            url = next;
        }
        Err(TransportFailure::Violation(Violation::Limit {
            what: "redirects",
            limit: MAX_REDIRECTS.into(),
        }))
    }

    /// Checks the addresses of a host in the two cases that [`super::resolver`] does not cover: a
    /// proxy resolves the name, or the URL names another port of the registry's own host.
    async fn check_host(
        &self,
        clients: &RegistryClients,
        url: &Url,
    ) -> Result<(), TransportFailure> {
        let policy = clients.policy();
        if clients.has_proxy() || url.host_str() == policy.origin().host_str() {
            let checked = policy.check_by_lookup(url);
            // A lookup that takes longer counts as one that finds no address.
            let checked = tokio::time::timeout(self.timeouts.connect, checked).await;
            checked.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// Sends a request once, to one URL, logs it, and returns the head of the response.
    async fn send_logged(
        &self,
        builder: reqwest::RequestBuilder,
        attempt: Attempt<'_>,
        url: &Url,
    ) -> Result<Response, TransportFailure> {
        let request = attempt.request;
        let mut log = RequestLog::start(&request.method, url, Some(attempt.number));
        match &request.body {
            Body::Empty => {}
            Body::Bytes(bytes) => log.record_body(bytes.len() as u64),
            Body::Upload { size, .. } => log.record_body(*size),
        }
        match self
            .send_once(builder, attempt.operation, request, url)
            .await
        {
            Ok(response) => Ok(Response::new(response, log)),
            Err(failure) => {
                log.record_failure(failure.describe());
                Err(failure)
            }
        }
    }

    /// Sends a request once, to one URL, and returns the head of the response.
    async fn send_once(
        &self,
        builder: reqwest::RequestBuilder,
        operation: &Operation,
        request: &Request,
        url: &Url,
    ) -> Result<reqwest::Response, TransportFailure> {
        let (content, size) = match &request.body {
            Body::Empty => {
                let limit = self.timeouts.first_byte;
                return match tokio::time::timeout(limit, builder.send()).await {
                    Ok(response) => response.map_err(|error| classify_error(url, &error)),
                    Err(_elapsed) => Err(timed_out(url, "response", limit)),
                };
            }
            Body::Bytes(bytes) => (upload_body::stream_bytes(bytes.clone()), bytes.len() as u64),
            Body::Upload { content, size } => (content(), *size),
        };
        let (body, progress) = upload_body::build_body(content, size, operation.clone());
        let builder = builder.header(CONTENT_LENGTH, size).body(body);
        let response = tokio::select! {
            response = builder.send() => response,
            (phase, limit) = progress.wait_for_stall(&self.timeouts) => {
                return Err(timed_out(url, phase, limit));
            }
        };
        response.map_err(|error| match progress.take_error() {
            Some(error) => TransportFailure::Content(error),
            None => classify_error(url, &error),
        })
    }
}

/// One try of a request.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    operation: &'a Operation,
    request: &'a Request,
    authorization: Option<&'a HeaderValue>,
    /// Its number, counted from 1.
    number: u32,
}

/// Returns the headers of a request. Only its own origin gets the `Authorization` header.
fn request_headers(
    request: &Request,
    authorization: Option<&HeaderValue>,
    responder: Responder,
) -> HeaderMap {
    let mut headers = request.headers.clone();
    match (responder, authorization) {
        (Responder::Origin, None) => {}
        (Responder::Origin, Some(value)) => drop(headers.insert(AUTHORIZATION, value.clone())),
        (Responder::RedirectTarget, _) => drop(headers.remove(AUTHORIZATION)),
    }
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    if matches!(request.body, Body::Empty) && !is_read {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    headers
}

/// Returns the error for a rejection after the last try, or the rejection itself if the caller must
/// judge it.
fn exhausted(
    operation: &Operation,
    rejection: Box<Rejection>,
    kind: FailureKind,
    tries: Tries,
) -> Result<Outcome, RegistryError> {
    match kind {
        FailureKind::Permanent | FailureKind::Unsettled => Ok(Outcome::Rejected(rejection)),
        FailureKind::Throttled(retry_after) => Err(RegistryError::Throttled {
            operation: Box::new(operation.clone()),
            refusal: rejection.refusal,
            retry_after,
            tries,
        }),
        FailureKind::NameResolution | FailureKind::ExpiredRedirect | FailureKind::Transient => {
            Err(operation.unavailable(rejection.into_fault(), tries))
        }
    }
}

/// Checks the size of the header fields of a response.
fn check_header_size(headers: &HeaderMap) -> Result<(), Violation> {
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    if headers.iter().map(size).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(Violation::Limit {
            what: "bytes of header fields",
            limit: MAX_HEADER_BYTES as u64,
        });
    }
    Ok(())
}

fn timed_out(url: &Url, phase: &'static str, limit: Duration) -> TransportFailure {
    let host = display_host(url);
    TransportFailure::Fault(
        Fault::Timeout { host, phase, limit },
        FailureKind::Transient,
    )
}
