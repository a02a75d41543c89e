//! The one place that sends requests: retries, redirects, timeouts.
//!
//! Credentials come from outside (see [`crate::auth`]) and go to the origin that was asked, never along a redirect to
//! another one.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use url::Url;

use crate::blob::BlobStream;
use crate::error::{Fault, Operation, RegistryError, Tries, Violation};
use crate::guard::{self, Guard};
use crate::options::{RetryPolicy, Timeouts};
use crate::redirect;
use crate::reply::{self, Answer, Sender};
use crate::retry::{self, Backoff, Budget, Cause};
use crate::trust::Clients;
use crate::upload;

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) clients: Clients,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: RetryPolicy,
    pub(crate) budget: Budget,
}

/// A request that can be sent more than once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) redirects: Redirects,
}

/// What a request sends.
pub(crate) enum Body {
    None,
    /// A document: the request is retried.
    Bytes(Bytes),
    /// Content of known length for an upload session, which is of no more use once a body broke off: the request is sent
    /// again only with other credentials.
    Upload(Content, u64),
}

/// Content that is sent from its start as often as it is asked for.
pub type Content = Arc<dyn Fn() -> BlobStream + Send + Sync>;

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Upload(_, size) => write!(f, "Upload({size})"),
        }
    }
}

/// Which redirects a request follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Redirects {
    /// All that are safe.
    Follow,
    /// Only within the origin; another one makes [`Answer::Elsewhere`]. For `HEAD`: what a presigned URL of a `GET` says to
    /// a `HEAD` means nothing.
    Home,
    /// None: the request changes something.
    Refuse,
}

/// Why a try got no answer.
enum Failure {
    Fault(Fault, Cause),
    Violation(Violation),
    Content(RegistryError),
    Proxy,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let redirects = match method {
            Method::GET => Redirects::Follow,
            Method::HEAD => Redirects::Home,
            _ => Redirects::Refuse,
        };
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::None,
            redirects,
        }
    }

    /// Adds a header. A value that cannot stand in one is left out.
    pub(crate) fn header(
        mut self,
        name: reqwest::header::HeaderName,
        value: impl TryInto<HeaderValue>,
    ) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.append(name, value);
        }
        self
    }

    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
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
                let refused = reply::refused(response, sender, self.timeouts.idle).await;
                return Ok(Answer::Refused(Box::new(refused)));
            }
            let next = redirect::target("redirect", &url, status, response.headers(), guard)
                .map_err(Failure::Violation)?;
            // What left the origin does not come home again: nobody vouches for the way back.
            home = home && guard::same_origin(&url, &next);
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
            Body::Bytes(bytes) => (upload::pieces(bytes.clone()), bytes.len() as u64),
            Body::Upload(content, size) => (content(), *size),
        };
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
        let (body, progress) = upload::body(content, size, operation.clone());
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

/// Says once what goes wrong, and waits.
pub(crate) async fn pause(operation: &Operation, reason: &str, tries: Tries, wait: Duration) {
    tracing::warn!(
        "{operation}: {reason}; try {} failed, next one in {:.1} s",
        tries.count,
        wait.as_secs_f64()
    );
    tokio::time::sleep(wait).await;
}

/// Turns a last refusal into an error, but for those that the caller must judge.
fn give_up(
    operation: &Operation,
    refused: Box<reply::Refused>,
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
            let reply::Refused { refusal, host, .. } = *refused;
            Err(operation.unavailable(Fault::Status { host, refusal }, tries))
        }
    }
}

fn timeout(url: &Url, phase: &'static str, limit: Duration) -> Failure {
    let host = guard::host(url);
    Failure::Fault(Fault::Timeout { host, phase, limit }, Cause::Transient)
}

/// What is wrong with a server that does not speak plain HTTP.
pub(crate) const SPEAKS_TLS: &str = "it does not speak plain HTTP, but TLS perhaps";

/// Sorts the errors of the HTTP library.
fn fault(url: &Url, error: &reqwest::Error) -> Failure {
    let host = guard::host(url);
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

/// Says whether TLS itself failed, which another try does not mend.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An `io::Error` hides the error it is made of, and shows only that one's source.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// Returns the causes of an error in one line: not the error's own text where it has causes, since that repeats the URL,
/// which may be secret.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::<String>::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // The library's own layer adds nothing but its name.
        let is_noise = text.starts_with("client error (");
        if !is_noise && texts.last().is_none_or(|last| *last != text) {
            texts.push(text);
        }
        next = cause.source();
    }
    if texts.is_empty() {
        return if error.is_timeout() {
            "timed out".to_owned()
        } else {
            "broken off".to_owned()
        };
    }
    reply::printable(&texts.join(": "))
}
