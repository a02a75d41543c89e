//! A request, as the rest of the crate describes one.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use url::Url;

use crate::blob::stream::BlobStream;

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
