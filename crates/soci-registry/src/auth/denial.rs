//! The errors of requests that no credential makes succeed.

use super::Authenticator;
use super::context::AuthContext;
use super::notes::Outcome;
use crate::ecr;
use crate::error::{ConfigurationError, Denial, Operation, Refusal, RegistryError};
use crate::http::request::Request;

impl Authenticator {
    /// Returns the error for a request for which each source was tried. It is the `outage` of a
    /// source that may work later, if there was one.
    pub(super) fn exhausted_error(
        &self,
        context: &AuthContext<'_>,
        outage: Option<RegistryError>,
    ) -> RegistryError {
        if let Some(outage) = outage {
            return outage;
        }
        let tried = self.notes.tried();
        let hint = self.login_hint();
        if self.notes.outcome() == Outcome::Misconfigured {
            return RegistryError::Configuration(ConfigurationError::NoCredentials { tried, hint });
        }
        let denial = match self.notes.refusal() {
            None => Denial::NoCredentials { tried },
            Some(refused) => match refused.token_server {
                None => Denial::Refused {
                    refusal: refused.refusal,
                    tried,
                },
                Some(server) => Denial::Token {
                    server,
                    refusal: Box::new(refused.refusal),
                    tried,
                },
            },
        };
        context.operation.denied(denial, Some(hint))
    }

    /// Returns the error for a response with status 401 or 403. It names the credential sources if
    /// other credentials might be accepted, and a missing permission if the response names it.
    pub(crate) fn denied_error(
        &self,
        operation: &Operation,
        request: &Request,
        refusal: Refusal,
    ) -> RegistryError {
        let is_about_credentials =
            refusal.status == 401 || self.notes.is_anonymous() || ecr::is_expired_token(&refusal);
        let tried = if is_about_credentials {
            self.notes.tried_for_request()
        } else {
            Vec::new()
        };
        let hint = if tried.is_empty() {
            self.permission_hint(request, &refusal)
        } else {
            Some(self.login_hint())
        };
        operation.denied(Denial::Refused { refusal, tried }, hint)
    }

    /// Returns what the user can do if no source has a credential that is accepted.
    fn login_hint(&self) -> String {
        let hint = self.notes.hint();
        match self.chain.variables_hint() {
            Some(variables) => format!("{variables}; {hint}"),
            None => hint,
        }
    }

    /// Returns the permission that the credentials lack, if ECR names it. If ECR gives no reason at
    /// all, returns the one that the request needs.
    fn permission_hint(&self, request: &Request, refusal: &Refusal) -> Option<String> {
        self.chain.ecr_host()?;
        if let Some(action) = ecr::denied_action(&refusal.message) {
            let policy = if refusal.message.contains("resource-based policy") {
                ", from the policy of that repository too"
            } else {
                ""
            };
            return Some(format!(
                "the caller needs {action} on the repository{policy}"
            ));
        }
        if !refusal.message.is_empty() {
            return None;
        }
        let action = ecr::required_action(&request.method, request.url.path())?;
        Some(format!(
            "the registry gave no reason; the request needs {action} on the repository"
        ))
    }
}
