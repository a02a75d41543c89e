//! ECR tokens, which the AWS API gives to callers with AWS credentials.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_types::os_shim_internal::Env;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;

use super::advice::{
    Advice, Origin, explain_failure, explain_nothing, explain_refusal, explain_timeout,
};
use super::api::{ApiCaller, ApiError, TokenCall};
use super::child_processes::ChildProcesses;
use super::profile::{ProfileKind, SelectedProfile, selected_name};
use super::refusal::{LastRefusal, ServiceRefusal};
use super::{EcrHost, http};
use crate::credentials::Credential;
use crate::credentials::source::{Answer, Found, Problem, ProblemKind};
use crate::error::{Operation, RegistryError};
use crate::secret::Secret;

/// How often the AWS SDK tries each request for AWS credentials.
const ATTEMPTS: u32 = 3;

/// What messages call this source.
const AWS: &str = "AWS";

impl EcrHost {
    /// Fetches a token with the AWS credentials of the environment.
    ///
    /// The future is boxed because those of the AWS SDK are nested deeper than the compiler follows
    /// through all callers.
    pub(crate) fn ask_for_token<'a>(&'a self, caller: ApiCaller<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let refusals = LastRefusal::default();
            let client = http::client(caller.clients, &refusals);
            let config = self.loader().http_client(client).load().await;
            match self.fetch_token(&config, caller, &refusals).await {
                Ok(credential) => Answer::Found(Found {
                    credential: Some(credential),
                    label: AWS.to_owned(),
                }),
                Err(error) => {
                    let profile = SelectedProfile::read().await;
                    self.explain(caller.operation, error, &profile)
                }
            }
        })
    }

    /// Finds AWS credentials and exchanges them for a token.
    async fn fetch_token(
        &self,
        config: &SdkConfig,
        caller: ApiCaller<'_>,
        refusals: &LastRefusal,
    ) -> Result<Credential, TokenError> {
        let provider = config.credentials_provider();
        let provider = provider.ok_or(TokenError::NoCredentials)?;
        let found = find_credentials(&provider, caller.helper_timeout).await;
        let credentials = found.map_err(|failure| match failure {
            CredentialsFailure::Timeout(limit) => TokenError::Timeout(limit),
            CredentialsFailure::Sdk(CredentialsError::CredentialsNotLoaded(_)) => {
                TokenError::NoCredentials
            }
            CredentialsFailure::Sdk(error) => TokenError::Credentials(error, refusals.get()),
        })?;
        let origin = Origin::of(&credentials);
        let call = TokenCall {
            host: self,
            config,
            credentials,
            caller,
        };
        let token = call.fetch().await;
        let token = token.map_err(|error| TokenError::Api(error, origin))?;
        parse_token(&token).ok_or(TokenError::MalformedToken)
    }

    /// Returns a loader of the AWS configuration. The registry's host name gives the region, not
    /// the environment, since the token must be for this registry.
    fn loader(&self) -> ConfigLoader {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region().to_owned()))
            .retry_config(retries);
        match selected_name(&Env::real()) {
            Some(_) => loader,
            // The SDK would look for a profile without a name if the variable is empty.
            None => loader.profile_name("default"),
        }
    }

    /// Returns the answer of this source if there is no token.
    fn explain(
        &self,
        operation: &Operation,
        error: TokenError,
        profile: &SelectedProfile,
    ) -> Answer {
        let advice = match error {
            TokenError::Api(ApiError::Throttled(refusal, tries), _) => {
                return Answer::Outage(RegistryError::Throttled {
                    operation: Box::new(operation.clone()),
                    refusal,
                    retry_after: None,
                    tries,
                });
            }
            TokenError::Api(ApiError::Unavailable(fault, tries), _) => {
                return Answer::Outage(operation.unavailable(fault, tries));
            }
            TokenError::NoCredentials => match explain_nothing(profile) {
                Some(advice) => advice,
                None => return nothing_found(profile),
            },
            TokenError::Credentials(error, refusal) => {
                explain_failure(&error, refusal.as_ref(), profile)
            }
            TokenError::Timeout(limit) => explain_timeout(limit, profile),
            TokenError::Api(ApiError::Refused { refusal, .. }, origin) => {
                explain_refusal(&refusal, &origin, profile, self.region())
            }
            TokenError::Api(ApiError::Malformed(reason), _) => Advice { reason, hint: None },
            TokenError::MalformedToken => Advice {
                reason: "the token of the API for ECR is malformed".to_owned(),
                hint: None,
            },
        };
        Answer::Failed(Problem {
            line: format!("{AWS}: {}", advice.reason),
            kind: ProblemKind::Denied,
            hint: advice.hint,
        })
    }
}

/// Asks `provider` for credentials. If the selected profile has them from a program, the program
/// may take `helper_timeout`, and is killed afterwards. Each request for credentials has a time
/// limit of its own.
async fn find_credentials(
    provider: &SharedCredentialsProvider,
    helper_timeout: Duration,
) -> Result<Credentials, CredentialsFailure> {
    let credentials = provider.provide_credentials();
    if SelectedProfile::read().await.kind != ProfileKind::Process {
        return Ok(credentials.await?);
    }
    let before = ChildProcesses::read();
    match tokio::time::timeout(helper_timeout, credentials).await {
        Ok(credentials) => Ok(credentials?),
        Err(_elapsed) => {
            before.kill_later_ones();
            Err(CredentialsFailure::Timeout(helper_timeout))
        }
    }
}

/// Returns the answer if no AWS credentials are set up.
fn nothing_found(profile: &SelectedProfile) -> Answer {
    let name = &profile.name;
    Answer::Nothing(Some(format!(
        "{AWS}: no credentials found in environment, profile `{name}`, web identity, container or \
         instance"
    )))
}

/// Why there are no AWS credentials.
enum CredentialsFailure {
    Sdk(CredentialsError),
    /// The program that gives them has not ended in this time.
    Timeout(Duration),
}

impl From<CredentialsError> for CredentialsFailure {
    fn from(error: CredentialsError) -> Self {
        Self::Sdk(error)
    }
}

/// Why there is no token.
#[derive(Debug)]
pub(super) enum TokenError {
    /// There are no AWS credentials.
    NoCredentials,
    /// A source of AWS credentials failed, with the answer of the service that it asked.
    Credentials(CredentialsError, Option<ServiceRefusal>),
    /// The program that gives AWS credentials has not ended in this time.
    Timeout(Duration),
    /// The API gave no token for the credentials of this origin.
    Api(ApiError, Origin),
    /// The API gave a token that is not Base64 of user name and password.
    MalformedToken,
}

/// Parses an ECR token: Base64 of user name, colon and password.
fn parse_token(token: &Secret) -> Option<Credential> {
    let plain = STANDARD.decode(token.reveal()).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (username, password) = plain.split_once(':')?;
    Some(Credential::Password {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
    })
}

#[cfg(test)]
mod tests;
