//! Tokens of ECR, from the AWS API with what AWS credentials there are.

use std::error::Error;
use std::time::Instant;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_ecr::config::Builder as PrivateBuilder;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecrpublic::config::Builder as PublicBuilder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::service_config::ServiceConfigKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;

use super::{EcrHost, Endpoints};
use crate::credentials::{Credential, Renewal};
use crate::error::sanitize::sanitize;
use crate::error::{Denial, Fault, Operation, Refusal, RegistryError, Tries, clock_hint};
use crate::secret::Secret;

/// How often the SDK tries.
const ATTEMPTS: u32 = 3;

/// Where ECR Public answers for its tokens.
const PUBLIC_REGION: &str = "us-east-1";

impl EcrHost {
    /// Gets a token with what AWS credentials there are. None are needed for reading the public gallery.
    ///
    /// Boxed, because the SDK's futures are deeper than the compiler follows through all of its callers.
    pub(crate) fn credential<'a>(
        &'a self,
        operation: &'a Operation,
        tried: &'a mut Vec<String>,
        http: SharedHttpClient,
    ) -> BoxFuture<'a, Result<Option<Credential>, RegistryError>> {
        Box::pin(async move {
            let config = self.loader().http_client(http).load().await;
            match self.ask(&config, tried).await {
                Ok(credential) => Ok(credential),
                // Anybody may read the public gallery, whatever is wrong with the credentials that happen to be here.
                Err(failure) if matches!(self, Self::Public { .. }) => {
                    let reason = failure.reason();
                    tracing::warn!("{operation}: without credentials of AWS: {reason}");
                    tried.push(format!("AWS: {reason}"));
                    Ok(None)
                }
                Err(failure) => Err(self.error(operation, failure)),
            }
        })
    }

    /// Asks the API.
    async fn ask(
        &self,
        config: &SdkConfig,
        tried: &mut Vec<String>,
    ) -> Result<Option<Credential>, Failure> {
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
            Err(error) => return Err(Failure::Denied(chain(&error))),
        };
        // What was found is used, so that no service is asked for it again.
        let builder = config.to_builder();
        let provider = SharedCredentialsProvider::new(credentials);
        let config = &builder.credentials_provider(provider).build();
        let token = match self {
            Self::Private { endpoints, .. } => private_token(config, *endpoints).await,
            Self::Public { endpoints } => public_token(config, *endpoints).await,
        };
        let credential = credential(&token?);
        let malformed = "the token that came is malformed";
        let credential = credential.ok_or_else(|| Failure::Denied(malformed.to_owned()))?;
        Ok(Some(credential))
    }

    fn loader(&self) -> ConfigLoader {
        let region = match self {
            Self::Public { .. } => Region::from_static(PUBLIC_REGION),
            // The host's name decides, not the environment: the token must be for this registry.
            Self::Private { region, .. } => Region::new(region.clone()),
        };
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        aws_config::defaults(BehaviorVersion::latest())
            .region(region)
            .retry_config(retries)
    }

    fn error(&self, operation: &Operation, failure: Failure) -> RegistryError {
        let reason = match failure {
            Failure::Denied(reason) => reason,
            Failure::Throttled(refusal, tries) => {
                return RegistryError::Throttled {
                    operation: Box::new(operation.clone()),
                    refusal,
                    retry_after: None,
                    tries,
                };
            }
            Failure::Unavailable(fault, tries) => return operation.unavailable(fault, tries),
        };
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
enum Failure {
    /// There are no credentials where there should be some, or they are not good for this.
    Denied(String),
    /// The API wants to be asked later.
    Throttled(Refusal, Tries),
    /// The API does not answer, or not as it should.
    Unavailable(Fault, Tries),
}

/// What the API is called in messages.
const API: &str = "the AWS API for ECR";

impl Failure {
    /// Sorts an error of the SDK, which has tried again what may work another time.
    fn of<E: ProvideErrorMetadata + Error + 'static>(
        error: &SdkError<E, HttpResponse>,
        started: Instant,
    ) -> Self {
        let host = API.to_owned();
        let reason = chain(error);
        let tries = Tries {
            count: ATTEMPTS,
            elapsed: started.elapsed(),
        };
        let refusal = match error {
            SdkError::ConstructionFailure(_) => return Self::Denied(reason),
            SdkError::ServiceError(context) => Refusal {
                status: context.raw().status().as_u16(),
                code: sanitize(error.code().unwrap_or_default()),
                message: sanitize(error.message().unwrap_or_default()),
            },
            _ => return Self::Unavailable(Fault::Connection { host, reason }, tries),
        };
        match refusal.status {
            429 => Self::Throttled(refusal, tries),
            _ if refusal.code.starts_with("Throttling") => Self::Throttled(refusal, tries),
            500.. => Self::Unavailable(Fault::Status { host, refusal }, tries),
            _ => Self::Denied(reason),
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Denied(reason) => reason.clone(),
            Self::Throttled(refusal, _) => refusal.to_string(),
            Self::Unavailable(fault, _) => fault.to_string(),
        }
    }
}

async fn private_token(config: &SdkConfig, endpoints: Endpoints) -> Result<Secret, Failure> {
    let started = Instant::now();
    let mut builder = PrivateBuilder::from(config);
    if !has_endpoint(config, "ECR") {
        builder.set_use_fips(endpoints.fips.then_some(true).or(config.use_fips()));
        builder.set_use_dual_stack(
            endpoints
                .dual_stack
                .then_some(true)
                .or(config.use_dual_stack()),
        );
    }
    let reply = aws_sdk_ecr::Client::from_conf(builder.build())
        .get_authorization_token()
        .send()
        .await
        .map_err(|error| Failure::of(&error, started))?;
    // `expiresAt` is not read: the registry itself says when a token is no longer good.
    let data = reply.authorization_data.unwrap_or_default();
    let token = data.into_iter().find_map(|data| data.authorization_token);
    token.map(Secret::new).ok_or_else(no_token)
}

async fn public_token(config: &SdkConfig, endpoints: Endpoints) -> Result<Secret, Failure> {
    let started = Instant::now();
    let mut builder = PublicBuilder::from(config);
    if !has_endpoint(config, "ECR PUBLIC") {
        builder.set_use_dual_stack(
            endpoints
                .dual_stack
                .then_some(true)
                .or(config.use_dual_stack()),
        );
    }
    let reply = aws_sdk_ecrpublic::Client::from_conf(builder.build())
        .get_authorization_token()
        .send()
        .await
        .map_err(|error| Failure::of(&error, started))?;
    let data = reply.authorization_data;
    let token = data.and_then(|data| data.authorization_token);
    token.map(Secret::new).ok_or_else(no_token)
}

/// Says whether the user names the API's address, which the SDK allows for none of the special kinds.
fn has_endpoint(config: &SdkConfig, service: &str) -> bool {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let named = config.service_config().zip(key.ok());
    config.endpoint_url().is_some()
        || named.is_some_and(|(service, key)| service.load_config(key).is_some())
}

fn no_token() -> Failure {
    Failure::Denied("the reply holds no token".to_owned())
}

/// Reads an ECR token: Base64 of name and password.
fn credential(token: &Secret) -> Option<Credential> {
    let plain = STANDARD.decode(token.reveal()).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (username, password) = plain.split_once(':')?;
    Some(Credential::Password {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
        renewal: Renewal::Possible,
    })
}

/// Returns an error with its causes in one line that can be shown.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    sanitize(&text)
}

/// Says whether AWS complains about the time at which a request was signed.
fn is_about_time(reason: &str) -> bool {
    let complaints = [
        "RequestTimeTooSkewed",
        "RequestExpired",
        "Signature expired",
        "Signature not yet current",
    ];
    complaints
        .iter()
        .any(|complaint| reason.contains(complaint))
}

#[cfg(test)]
mod tests;
