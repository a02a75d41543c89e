//! The one place that sends requests: retries, redirects, timeouts.
//!
//! Credentials come from outside (see [`crate::auth`]) and go to the origin that was asked, never along a redirect to
//! another one.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use url::Url;

use crate::error::{Fault, Operation, RegistryError, Tries, Violation};
use crate::http::clients::Clients;
use crate::http::egress::{self, Guard};
use crate::http::error::{SPEAKS_TLS, causes, is_tls};
use crate::http::redirect;
use crate::http::request::{Body, Redirects, Request};
use crate::http::response::{self, Answer, Sender};
use crate::http::retry::{self, Backoff, Budget, Cause, pause};
use crate::http::upload_body;
use crate::options::{RetryPolicy, Timeouts};

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) clients: Clients,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: RetryPolicy,
    pub(crate) budget: Budget,
}

/// Why a try got no answer.
enum Failure {
    Fault(Fault, Cause),
    Violation(Violation),
    Content(RegistryError),
    Proxy,
}

impl Transport {
    /// Returns what counts the tries of one request.
    pub(crate) fn backoff(&self) -> Backoff<'_> {
        Backoff::new(&self.retries, &self.budget)
    }

    /// Sends a request until it is answered for good, with `authorization` where the registry itself is asked.
    pub(crate) async fn exchange(
        &self,
        operation: &Operation,
        request: &Request,
        authorization: Option<&HeaderValue>,
        guard: &Guard,
    ) -> Result<Answer, RegistryError> {
        let mut backoff = self.backoff();
        loop {
            let outcome = self.attempt(operation, request, authorization, guard).await;
            let (cause, failure) = match outcome {
                Ok(Answer::Refused(refused)) => (retry::cause(&refused), Ok(refused)),
                Ok(answer) => {
                    backoff.succeed();
                    return Ok(answer);
                }
                Err(Failure::Fault(fault, cause)) => (cause, Err(fault)),
                Err(Failure::Violation(violation)) => return Err(operation.protocol(violation)),
                Err(Failure::Content(error)) => return Err(error),
                Err(Failure::Proxy) => return Err(operation.denied_by_proxy()),
            };
            let again = backoff.wait(match request.body {
                Body::Upload(..) => Cause::Final,
                _ => cause,
            });
            match (again, failure) {
                (Some(wait), failure) => {
                    let reason = match failure {
                        Ok(refused) => format!("`{}` answered {}", refused.host, refused.refusal),
                        Err(fault) => fault.to_string(),
                    };
                    pause(operation, &reason, backoff.tries(), wait).await;
                }
                (None, Ok(refused)) => return give_up(operation, refused, cause, backoff.tries()),
                (None, Err(fault)) => return Err(operation.unavailable(fault, backoff.tries())),
            }
        }
    }

    /// Sends a request once, through its redirects.
    async fn attempt(
        &self,
        operation: &Operation,
        request: &Request,
        authorization: Option<&HeaderValue>,
        guard: &Guard,
    ) -> Result<Answer, Failure> {
        let mut url = request.url.clone();
        let mut home = true;
        for _ in 0..=redirect::LIMIT {
            let mut headers = request.headers.clone();
            match authorization {
                Some(value) if home => drop(headers.insert(AUTHORIZATION, value.clone())),
                _ if home => {}
                _ => drop(headers.remove(AUTHORIZATION)),
            }
            let response = self.hop(operation, request, &url, headers).await?;
            let address = response.remote_addr().map(|address| address.ip());
            guard.met(&url, address).map_err(Failure::Violation)?;
            let status = response.status();
            if status.is_success() {
                return Ok(Answer::Done(response));
            }
            if !redirect::is_redirect(status) || request.redirects == Redirects::Refuse {
                let sender = if home {
                    Sender::Registry
                } else {
                    Sender::Elsewhere
                };
                let refused = response::refused(response, sender, self.timeouts.idle).await;
                return Ok(Answer::Refused(Box::new(refused)));
            }
            let next = redirect::target("redirect", &url, status, response.headers(), guard)
                .map_err(Failure::Violation)?;
            // What left the origin does not come home again: nobody vouches for the way back.
            home = home && egress::same_origin(&url, &next);
            if !home && request.redirects == Redirects::Home {
                return Ok(Answer::Elsewhere);
            }
            let checked = guard.check_name("redirect", &next).await;
            checked.map_err(Failure::Violation)?;
            url = next;
        }
        Err(Failure::Violation(Violation::Limit {
            what: "redirects",
            limit: redirect::LIMIT.into(),
        }))
    }

    /// Sends a request once, to one place.
    async fn hop(
        &self,
        operation: &Operation,
        request: &Request,
        url: &Url,
        mut headers: HeaderMap,
    ) -> Result<Response, Failure> {
        let client = self.clients.towards(url);
        let builder = client.request(request.method.clone(), url.clone());
        let (content, size) = match &request.body {
            Body::None => {
                if request.method != Method::GET && request.method != Method::HEAD {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
                let limit = self.timeouts.first_byte;
                let reply = tokio::time::timeout(limit, builder.headers(headers).send()).await;
                return match reply {
                    Ok(reply) => reply.map_err(|error| fault(url, &error)),
                    Err(_elapsed) => Err(timeout(url, "reply", limit)),
                };
            }
            Body::Bytes(bytes) => (upload_body::pieces(bytes.clone()), bytes.len() as u64),
            Body::Upload(content, size) => (content(), *size),
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
        let (body, progress) = upload_body::body(content, size, operation.clone());
        let reply = tokio::select! {
            reply = builder.headers(headers).body(body).send() => reply,
            (phase, limit) = progress.stalled(&self.timeouts) => return Err(timeout(url, phase, limit)),
        };
        reply.map_err(|error| match progress.failure() {
            Some(failure) => Failure::Content(failure),
            None => fault(url, &error),
        })
    }
}

/// Turns a last refusal into an error, but for those that the caller must judge.
fn give_up(
    operation: &Operation,
    refused: Box<response::Refused>,
    cause: Cause,
    tries: Tries,
) -> Result<Answer, RegistryError> {
    match cause {
        Cause::Final => Ok(Answer::Refused(refused)),
        Cause::Throttled(retry_after) => Err(RegistryError::Throttled {
            operation: Box::new(operation.clone()),
            refusal: refused.refusal,
            retry_after,
            tries,
        }),
        Cause::Name | Cause::Stale | Cause::Transient => {
            let response::Refused { refusal, host, .. } = *refused;
            Err(operation.unavailable(Fault::Status { host, refusal }, tries))
        }
    }
}

fn timeout(url: &Url, phase: &'static str, limit: Duration) -> Failure {
    let host = egress::host(url);
    Failure::Fault(Fault::Timeout { host, phase, limit }, Cause::Transient)
}

/// Sorts the errors of the HTTP library.
fn fault(url: &Url, error: &reqwest::Error) -> Failure {
    let host = egress::host(url);
    let reason = causes(error);
    if is_tls(error) {
        return Failure::Fault(Fault::Tls { host, reason }, Cause::Final);
    }
    if reason.contains("proxy authorization required") {
        return Failure::Proxy;
    }
    if url.scheme() == "http" && reason.contains("invalid HTTP version") {
        let reason = SPEAKS_TLS.to_owned();
        return Failure::Fault(Fault::Tls { host, reason }, Cause::Final);
    }
    if reason.contains("dns error") {
        let cause = if reason.contains("Temporary failure") {
            Cause::Transient
        } else {
            Cause::Name
        };
        return Failure::Fault(Fault::Name { host, reason }, cause);
    }
    Failure::Fault(Fault::Connection { host, reason }, Cause::Transient)
}
