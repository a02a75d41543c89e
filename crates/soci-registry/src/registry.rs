//! One registry: what all requests to it share.

use futures_util::future::BoxFuture;

use crate::auth::Authenticator;
use crate::auth::context::AuthContext;
use crate::auth::scope::Scope;
use crate::error::{Operation, RegistryError};
use crate::http::egress::Guard;
use crate::http::rate_limit::Pacing;
use crate::http::request::Request;
use crate::http::response::Answer;
use crate::http::transport::Transport;
use crate::referrers::support::ApiSupport;

/// One registry.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) guard: Guard,
    pub(crate) authenticator: Authenticator,
    pub(crate) is_ecr: bool,
    /// The rate limit for writing manifests, if it is known.
    pub(crate) manifest_pacing: Option<Pacing>,
    pub(crate) referrers_support: ApiSupport,
}

impl Registry {
    /// Sends a request with a credential for `scope`.
    pub(crate) async fn send(
        &self,
        transport: &Transport,
        operation: &Operation,
        request: &Request,
        scope: &Scope,
    ) -> Result<Answer, RegistryError> {
        let context = AuthContext {
            transport,
            operation,
            guard: &self.guard,
            scope,
        };
        // Boxed, so that the future's type does not grow with every caller.
        let sent: BoxFuture<'_, _> = Box::pin(self.authenticator.send(&context, request));
        sent.await
    }
}
