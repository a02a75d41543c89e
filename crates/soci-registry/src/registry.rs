//! One registry: what all requests to it share.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::auth::Authenticator;
use crate::auth::context::AuthContext;
use crate::auth::scope::Scope;
use crate::blob::flow::Flow;
use crate::error::{Operation, RegistryError};
use crate::http::clients::RegistryClients;
use crate::http::rate_limit::RateLimiter;
use crate::http::request::Request;
use crate::http::response::Outcome;
use crate::http::transport::HttpTransport;
use crate::push::mode::{KnownMode, SinglePosts};
use crate::referrers::support::ApiSupport;

/// One registry.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) clients: RegistryClients,
    pub(crate) authenticator: Authenticator,
    /// The rate limit for writing manifests, if it is known.
    pub(crate) manifest_rate: Option<RateLimiter>,
    pub(crate) referrers_support: ApiSupport,
    pub(crate) upload_mode: KnownMode,
    pub(crate) single_posts: SinglePosts,
    /// The downloads from the registry.
    pub(crate) flow: Arc<Flow>,
}

impl Registry {
    /// Sends a request with a credential for `scope`.
    pub(crate) async fn send(
        &self,
        transport: &HttpTransport,
        operation: &Operation,
        request: &Request,
        scope: &Scope,
    ) -> Result<Outcome, RegistryError> {
        let context = AuthContext {
            transport,
            clients: &self.clients,
            operation,
            scope,
        };
        // Boxed, so that the future's type does not grow with every caller.
        let sent: BoxFuture<'_, _> = Box::pin(self.authenticator.send(&context, request));
        sent.await
    }
}
