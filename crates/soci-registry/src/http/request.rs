//! The requests of this crate, in a form that can be sent more than once.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;

use super::redirect;
use crate::blob::stream::BlobStream;

/// A request that can be sent more than once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) redirects: RedirectPolicy,
}

/// The body of a request.
pub(crate) enum Body {
    Empty,
    /// A document. If the request fails, it is sent again.
    Bytes(Bytes),
    /// The content of a blob for an upload session. If the request fails, it is not sent again,
    /// because the session is then in an unknown state. Only a rejected credential is renewed.
    Upload {
        content: Content,
        /// Length of the content, in bytes.
        size: u64,
    },
}

/// Returns the content of a blob from its start, as often as it is called.
pub type Content = Arc<dyn Fn() -> BlobStream + Send + Sync>;

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Upload { size, .. } => write!(f, "Upload({size})"),
        }
    }
}

/// The redirects that a request follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RedirectPolicy {
    /// All that the [`EgressPolicy`](super::egress::EgressPolicy) allows.
    Follow,
    /// Only those within the origin. For `HEAD`: a presigned URL is valid for `GET` only, so its
    /// response to a `HEAD` says nothing about the content.
    SameOrigin,
    /// None, for requests whose body may be secret.
    Refuse,
}

impl Request {
    /// Returns a request without a body. Its method decides which redirects it follows: a request
    /// that changes something follows none, unless [`Request::following_redirects`] is called.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        let redirects = match method {
            Method::GET => RedirectPolicy::Follow,
            Method::HEAD => RedirectPolicy::SameOrigin,
            _ => RedirectPolicy::Refuse,
        };
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            redirects,
        }
    }

    /// Adds a header. A value with characters that a header cannot hold is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.append(name, value);
        }
        self
    }

    /// Lets the request follow redirects that keep its method and body.
    pub(crate) fn following_redirects(mut self) -> Self {
        self.redirects = RedirectPolicy::Follow;
        self
    }

    /// Returns whether the request follows a response with this status. Only 307 and 308 keep a
    /// method that is not `GET` or `HEAD` (RFC 9110, section 15.4).
    pub(super) fn follows(&self, status: StatusCode) -> bool {
        let is_read = matches!(self.method, Method::GET | Method::HEAD);
        self.redirects != RedirectPolicy::Refuse
            && redirect::is_redirect(status)
            && (is_read || matches!(status.as_u16(), 307 | 308))
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}
