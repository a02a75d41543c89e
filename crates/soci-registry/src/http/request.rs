//! The requests of this crate, in a form that can be sent more than once.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

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
    /// None, for requests that change something.
    Refuse,
}

impl Request {
    /// Returns a request without a body. Its method decides which redirects it follows.
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

    /// Sets the body.
    pub(crate) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}
