//! One repository of a registry: its URLs, its requests, and the errors of its responses.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use soci_oci::reference::RegistryReference;
use url::Url;

use crate::auth::scope::Scope;
use crate::error::{Damage, Fault, Operation, Refusal, RegistryError, Tries, Violation};
use crate::http::body_clock::longest_time;
use crate::http::egress::display_host;
use crate::http::request::Request;
use crate::http::response::{Outcome, ReadError, Response, read_body};
use crate::http::retry::{FailureKind, wait_before_retry};
use crate::http::transport::HttpTransport;
use crate::options::{ClientOptions, Connections};
use crate::push::sessions::OpenSessions;
use crate::registry::Registry;

/// A repository of a registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    run: Arc<RunContext>,
    registry: Arc<Registry>,
    reference: Arc<RegistryReference>,
}

/// What all repositories of one client share.
#[derive(Debug)]
pub(crate) struct RunContext {
    pub(crate) transport: HttpTransport,
    pub(crate) open_sessions: OpenSessions,
    /// Over how many connections one blob is downloaded.
    connections: Connections,
}

/// The outcome of a request for a document.
#[derive(Debug)]
pub(crate) enum DocumentOutcome {
    Found(Document),
    Rejected(Refusal),
}

/// A document that was read whole, with the headers of the response.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

/// The size that a document may have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DocumentSize {
    /// At most so many bytes.
    AtMost(u64),
    /// The number of bytes that its descriptor gives.
    Exactly(u64),
}

impl DocumentSize {
    /// Returns the most bytes that are read.
    const fn limit(self) -> u64 {
        match self {
            Self::AtMost(size) | Self::Exactly(size) => size,
        }
    }

    /// Checks the length of a document that was read, or of one that is longer than the limit.
    fn check(self, found: u64) -> Result<(), Damage> {
        match self {
            Self::AtMost(limit) if found > limit => Err(Damage::TooLarge { limit }),
            Self::Exactly(expected) if found != expected => Err(Damage::Size { expected, found }),
            Self::AtMost(_) | Self::Exactly(_) => Ok(()),
        }
    }
}

/// The error of Go's HTTP server for a plain request to its TLS port. Most registries are in Go.
const GO_EXPECTS_TLS: &str = "HTTP request to an HTTPS server";

impl RunContext {
    /// Returns the context of a new client, with a full retry budget.
    pub(crate) fn new(options: &ClientOptions) -> Self {
        Self {
            transport: HttpTransport::new(options.timeouts.clone(), options.retries.clone()),
            open_sessions: OpenSessions::default(),
            connections: options.connections,
        }
    }
}

impl Repository {
    pub(crate) fn new(
        run: Arc<RunContext>,
        registry: Arc<Registry>,
        reference: RegistryReference,
    ) -> Self {
        Self {
            run,
            registry,
            reference: Arc::new(reference),
        }
    }

    /// Returns the reference that this repository was made from, with its tag and digest.
    pub fn reference(&self) -> &RegistryReference {
        &self.reference
    }

    pub(crate) fn open_sessions(&self) -> &OpenSessions {
        &self.run.open_sessions
    }

    pub(crate) fn transport(&self) -> &HttpTransport {
        &self.run.transport
    }

    pub(crate) const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Returns over how many connections one blob is downloaded.
    pub(crate) fn connections(&self) -> Connections {
        self.run.connections
    }

    pub(crate) fn name(&self) -> &str {
        &self.reference.repository
    }

    /// Returns an operation on an object of this repository, for error messages.
    pub(crate) fn operation(&self, action: &'static str, object: impl fmt::Display) -> Operation {
        let object = object.to_string();
        let RegistryReference { tag, digest, .. } = &*self.reference;
        let is_implied = tag.as_ref() == Some(&object)
            || digest.is_some_and(|digest| digest.to_string() == object);
        Operation {
            action,
            object,
            is_implied,
            registry: self.reference.registry.clone(),
            repository: self.reference.repository.clone(),
        }
    }

    /// Returns the URL of an object of this repository. Names, tags and digests consist of
    /// characters that need no escaping.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.registry.clients.policy().origin().clone();
        url.set_path(&format!("/v2/{}/{path}", self.name()));
        url
    }

    /// Sends a request with credentials for reading from this repository, or for writing to it,
    /// depending on the method.
    pub(crate) async fn send(
        &self,
        operation: &Operation,
        request: &Request,
    ) -> Result<Outcome, RegistryError> {
        let scope = match request.method {
            Method::GET | Method::HEAD => Scope::pull(self.name()),
            _ => Scope::push(self.name()),
        };
        self.send_for(operation, request, &scope).await
    }

    /// Sends a request with credentials for `scope`.
    pub(crate) async fn send_for(
        &self,
        operation: &Operation,
        request: &Request,
        scope: &Scope,
    ) -> Result<Outcome, RegistryError> {
        self.registry
            .send(self.transport(), operation, request, scope)
            .await
    }

    /// Fetches a document. If the body is interrupted, it is fetched again from its start, unless
    /// that has taken as long already as a body may take at most.
    pub(crate) async fn fetch_document(
        &self,
        operation: &Operation,
        request: &Request,
        size: DocumentSize,
    ) -> Result<DocumentOutcome, RegistryError> {
        let transport = self.transport();
        let mut backoff = transport.backoff();
        loop {
            let response = match self.send(operation, request).await? {
                Outcome::Success(response) => response,
                Outcome::CrossOriginRedirect => {
                    return Err(operation.protocol(Violation::Redirected));
                }
                Outcome::Rejected(rejection) => {
                    return Ok(DocumentOutcome::Rejected(rejection.refusal));
                }
            };
            let fault = match self.read_document(operation, response, size).await? {
                DocumentBody::Complete(document) => {
                    backoff.record_success();
                    return Ok(DocumentOutcome::Found(document));
                }
                DocumentBody::Interrupted(fault) => fault,
            };
            let longest = longest_time(transport.timeouts.idle, size.limit());
            let kind = if backoff.tries().elapsed < longest {
                FailureKind::Transient
            } else {
                FailureKind::Permanent
            };
            match backoff.next_delay(kind) {
                Some(delay) => {
                    let reason = fault.describe(operation);
                    wait_before_retry(operation, &reason, backoff.tries(), delay).await;
                }
                None => return Err(operation.unavailable(fault, backoff.tries())),
            }
        }
    }

    async fn read_document(
        &self,
        operation: &Operation,
        response: Response,
        size: DocumentSize,
    ) -> Result<DocumentBody, RegistryError> {
        let headers = response.headers().clone();
        let host = display_host(response.url());
        let expected = response.content_length().unwrap_or_default();
        let check = |found: u64| {
            let checked = size.check(found);
            checked.map_err(|damage| operation.bad_data(damage))
        };
        match read_body(response, size.limit(), self.transport().timeouts.idle).await {
            Ok(bytes) => {
                check(bytes.len() as u64)?;
                Ok(DocumentBody::Complete(Document { headers, bytes }))
            }
            Err(ReadError::TooLarge { found }) => {
                check(found)?;
                Err(operation.bad_data(Damage::TooLarge {
                    limit: size.limit(),
                }))
            }
            Err(ReadError::Interrupted { received, reason }) => {
                Ok(DocumentBody::Interrupted(Fault::Interrupted {
                    host,
                    received,
                    expected,
                    reason,
                }))
            }
        }
    }

    /// Returns the error for the rejection of a request to this repository.
    pub(crate) fn rejection_error(
        &self,
        operation: &Operation,
        request: &Request,
        refusal: Refusal,
    ) -> RegistryError {
        let status = StatusCode::from_u16(refusal.status).unwrap_or_default();
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => operation.bad_data(Damage::Refused(refusal)),
            // More permissions would not help against a quota.
            StatusCode::FORBIDDEN if refusal.is_quota() => {
                operation.protocol(Violation::Refused(refusal))
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => operation.denied_by_proxy(),
            StatusCode::BAD_REQUEST if refusal.message.contains(GO_EXPECTS_TLS) => {
                let fault = Fault::not_plain_http(display_host(&request.url));
                operation.unavailable(fault, Tries::once())
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let authenticator = &self.registry.authenticator;
                authenticator.denied_error(operation, request, refusal)
            }
            StatusCode::NOT_FOUND => RegistryError::NotFound {
                operation: Box::new(operation.clone()),
                refusal,
            },
            _ => operation.protocol(Violation::Refused(refusal)),
        }
    }
}

/// The body of a document, as far as it could be read.
enum DocumentBody {
    Complete(Document),
    Interrupted(Fault),
}

impl Document {
    /// Returns a header if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the `Content-Type` without its parameters, or an empty string.
    pub(crate) fn media_type(&self) -> &str {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }
}
