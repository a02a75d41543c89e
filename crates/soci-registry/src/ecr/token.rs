//! ECR tokens, which the AWS API gives to callers with AWS credentials.

use std::error::Error;
use std::fmt;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;

use super::api::{ApiCaller, ApiError, TokenCall, is_about_time};
use super::{EcrHost, http};
use crate::credentials::{Credential, Renewal};
use crate::error::sanitize::sanitize;
use crate::error::{Denial, Operation, RegistryError, clock_hint};
use crate::secret::Secret;

/// How often the AWS SDK tries each request for AWS credentials.
const ATTEMPTS: u32 = 3;

impl EcrHost {
    /// Fetches a token with the AWS credentials of the environment. Returns `None`, and adds the
    /// reason to `tried`, if there are no AWS credentials. The public gallery can be read without a
    /// token, so a failure is no error there.
    ///
    /// The future is boxed because those of the AWS SDK are nested deeper than the compiler follows
    /// through all callers.
    ///
    /// # Errors
    ///
    /// Returns an error if AWS credentials exist and the API gives no token for them.
    pub(crate) fn credential<'a>(
        &'a self,
        caller: ApiCaller<'a>,
        tried: &'a mut Vec<String>,
    ) -> BoxFuture<'a, Result<Option<Credential>, RegistryError>> {
        Box::pin(async move {
            let operation = caller.operation;
            let loader = self.loader().http_client(http::client(caller.clients));
            let config = loader.load().await;
            match self.fetch_token(&config, caller, tried).await {
                Ok(credential) => Ok(credential),
                Err(error) if matches!(self, Self::Public { .. }) => {
                    tracing::warn!(
                        "{operation}: ECR Public is read without AWS credentials: {error}"
                    );
                    tried.push(format!("AWS: {error}"));
                    Ok(None)
                }
                Err(error) => Err(self.registry_error(operation, error)),
            }
        })
    }

    /// Finds AWS credentials and exchanges them for a token.
    async fn fetch_token(
        &self,
        config: &SdkConfig,
        caller: ApiCaller<'_>,
        tried: &mut Vec<String>,
    ) -> Result<Option<Credential>, TokenError> {
        let Some(provider) = config.credentials_provider() else {
            tried.push("AWS: no credentials".to_owned());
            return Ok(None);
        };
        let credentials = match provider.provide_credentials().await {
            Ok(credentials) => credentials,
            Err(CredentialsError::CredentialsNotLoaded(_)) => {
                tried.push(
                    "AWS: no credentials in environment, profile, web identity, container or instance"
                        .to_owned(),
                );
                return Ok(None);
            }
            Err(error) => return Err(TokenError::Credentials(error_chain(&error))),
        };
        let call = TokenCall {
            host: self,
            config,
            credentials,
            caller,
        };
        let token = call.fetch().await.map_err(TokenError::Api)?;
        let credential = parse_token(&token).ok_or(TokenError::MalformedToken)?;
        Ok(Some(credential))
    }

    /// Returns a loader of the AWS configuration. The registry's host name gives the region, not
    /// the environment, since the token must be for this registry.
    fn loader(&self) -> ConfigLoader {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region().to_owned()))
            .retry_config(retries)
    }

    fn registry_error(&self, operation: &Operation, error: TokenError) -> RegistryError {
        match error {
            TokenError::Api(ApiError::Throttled(refusal, tries)) => {
                return RegistryError::Throttled {
                    operation: Box::new(operation.clone()),
                    refusal,
                    retry_after: None,
                    tries,
                };
            }
            TokenError::Api(ApiError::Unavailable(fault, tries)) => {
                return operation.unavailable(fault, tries);
            }
            _ => {}
        }
        let reason = error.to_string();
        let action = match self {
            Self::Private { .. } => "ecr:GetAuthorizationToken",
            Self::Public { .. } => "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken",
        };
        let hint = if is_about_time(&reason) {
            clock_hint()
        } else {
            format!("the caller needs {action}")
        };
        operation.denied(Denial::Aws { reason }, Some(hint))
    }
}

/// Why there is no token.
#[derive(Debug)]
pub(super) enum TokenError {
    /// An AWS credential source failed. Holds the reason.
    Credentials(String),
    /// The API gave no token.
    Api(ApiError),
    /// The API gave a token that is not Base64 of user name and password.
    MalformedToken,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(reason) | Self::Api(ApiError::Malformed(reason)) => {
                f.write_str(reason)
            }
            Self::Api(ApiError::Refused { refusal, .. } | ApiError::Throttled(refusal, _)) => {
                refusal.fmt(f)
            }
            Self::Api(ApiError::Unavailable(fault, _)) => fault.fmt(f),
            Self::MalformedToken => f.write_str("the token is malformed"),
        }
    }
}

/// Parses an ECR token: Base64 of user name, colon and password.
fn parse_token(token: &Secret) -> Option<Credential> {
    let plain = STANDARD.decode(token.reveal()).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (username, password) = plain.split_once(':')?;
    Some(Credential::Password {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
        renewal: Renewal::Possible,
    })
}

/// Returns the message of an error followed by those of its causes, in one printable line.
fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    sanitize(&text)
}

#[cfg(test)]
mod tests;
