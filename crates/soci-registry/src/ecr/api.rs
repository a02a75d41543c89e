//! The call `GetAuthorizationToken` of the two ECR APIs, signed with AWS credentials.
//!
//! It is the only call of these APIs that the tools make. The AWS SDKs for ECR would make it, too,
//! but each of them compiles every operation of its API: together a fifth of a build from source.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_types::service_config::ServiceConfigKey;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Deserialize;

use super::host::{EcrHost, EndpointKind};
use super::http::{TIMEOUT, read_body, send_logged};
use super::refusal::parse_refusal;
use crate::error::sanitize::sanitize;
use crate::error::{Fault, Operation, Refusal, Tries};
use crate::http::clients::Clients;
use crate::http::error::describe_causes;
use crate::http::retry::{Backoff, FailureKind, RetryBudget, wait_before_retry};
use crate::options::RetryPolicy;
use crate::secret::Secret;

/// How often the call is tried, as by the AWS SDKs.
const ATTEMPTS: u32 = 3;

/// What the API is called in messages.
const API: &str = "the AWS API for ECR";

/// Why the API gave no token.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request cannot be made or signed, or the response cannot be read. Holds the reason.
    Malformed(String),
    /// The API refused the request.
    Refused {
        refusal: Refusal,
        /// The time of the server, if its response tells it.
        server_time: Option<SystemTime>,
    },
    /// The API limits the rate of requests.
    Throttled(Refusal, Tries),
    /// The API could not be reached, or failed.
    Unavailable(Fault, Tries),
}

impl ApiError {
    /// Returns whether another try may succeed, and what has happened.
    fn kind_and_reason(&self) -> (FailureKind, String) {
        match self {
            Self::Malformed(reason) => (FailureKind::Permanent, reason.clone()),
            Self::Refused { refusal, .. } => (FailureKind::Permanent, refusal.to_string()),
            Self::Throttled(refusal, _) => (
                FailureKind::Throttled(None),
                format!("{API} answered {refusal}"),
            ),
            Self::Unavailable(fault, _) => (FailureKind::Transient, fault.to_string()),
        }
    }
}

/// Which of the two APIs is called.
struct Service {
    /// The name under which requests are signed.
    signing_name: &'static str,
    /// The name under which the AWS configuration has an address for the service.
    id: &'static str,
    /// The operation, as the header `X-Amz-Target` names it.
    target: &'static str,
}

const PRIVATE: Service = Service {
    signing_name: "ecr",
    id: "ECR",
    target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
};

const PUBLIC: Service = Service {
    signing_name: "ecr-public",
    id: "ECR PUBLIC",
    target: "SpencerFrontendService.GetAuthorizationToken",
};

/// One call, which may be sent several times.
pub(super) struct TokenCall<'a> {
    pub(super) host: &'a EcrHost,
    pub(super) config: &'a SdkConfig,
    pub(super) credentials: Credentials,
    pub(super) caller: ApiCaller<'a>,
}

/// What a call of the API needs of the client that makes it.
#[derive(Clone, Copy)]
pub(crate) struct ApiCaller<'a> {
    /// The operation that needs the token, for messages.
    pub(crate) operation: &'a Operation,
    pub(crate) clients: &'a Clients,
    /// How long the waits between the tries are. There are at most [`ATTEMPTS`] of them.
    pub(crate) retries: &'a RetryPolicy,
    /// How long a program may take that gives AWS credentials (`credential_process`).
    pub(crate) helper_timeout: Duration,
}

impl TokenCall<'_> {
    /// Fetches a token: Base64 of user name, colon and password.
    ///
    /// # Errors
    ///
    /// Returns an error if the API refuses, or does not give a token in [`ATTEMPTS`] tries.
    pub(super) async fn fetch(&self) -> Result<Secret, ApiError> {
        let url = self.url()?;
        let policy = RetryPolicy {
            tries: ATTEMPTS,
            throttled_tries: ATTEMPTS,
            ..self.caller.retries.clone()
        };
        let budget = RetryBudget::new(&policy);
        let mut backoff = Backoff::new(&policy, &budget);
        let mut server_time = None;
        loop {
            let Tries { count, elapsed } = backoff.tries();
            let count = count + 1;
            let tries = Tries { count, elapsed };
            let time = server_time.unwrap_or_else(|| self.machine_time());
            match self.send_once(&url, time, tries).await {
                // The clock of this machine is wrong: the request is signed once more, with the
                // time of the server.
                Err(ApiError::Refused {
                    refusal,
                    server_time: Some(time),
                }) if server_time.is_none() && is_about_time(&refusal.to_string()) => {
                    server_time = Some(time);
                }
                Err(error) => {
                    let (kind, reason) = error.kind_and_reason();
                    let Some(delay) = backoff.next_delay(kind) else {
                        return Err(error);
                    };
                    wait_before_retry(self.caller.operation, &reason, tries, delay).await;
                }
                token => return token,
            }
        }
    }

    const fn service(&self) -> &'static Service {
        match self.host {
            EcrHost::Private { .. } => &PRIVATE,
            EcrHost::Public { .. } => &PUBLIC,
        }
    }

    /// Returns the address of the API: the one that the AWS configuration names for the service or
    /// for all services, or else the one that belongs to the registry.
    fn url(&self) -> Result<Url, ApiError> {
        let url = self.configured_url().unwrap_or_else(|| {
            let is_set = |flag| flag == Some(true);
            let (fips, dual_stack) = (self.config.use_fips(), self.config.use_dual_stack());
            self.host.api_url(match (is_set(fips), is_set(dual_stack)) {
                (false, false) => EndpointKind::Standard,
                (true, false) => EndpointKind::Fips,
                (false, true) => EndpointKind::DualStack,
                (true, true) => EndpointKind::FipsDualStack,
            })
        });
        url.parse().map_err(|error| {
            ApiError::Malformed(format!("the endpoint `{}`: {error}", sanitize(&url)))
        })
    }

    fn configured_url(&self) -> Option<String> {
        let key = ServiceConfigKey::builder()
            .service_id(self.service().id)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let named = self.config.service_config().zip(key.ok());
        named
            .and_then(|(service, key)| service.load_config(key))
            .or_else(|| self.config.endpoint_url().map(str::to_owned))
    }

    fn machine_time(&self) -> SystemTime {
        self.config.time_source().unwrap_or_default().now()
    }

    async fn send_once(
        &self,
        url: &Url,
        time: SystemTime,
        tries: Tries,
    ) -> Result<Secret, ApiError> {
        let unavailable = |reason: String| {
            let host = API.to_owned();
            ApiError::Unavailable(Fault::Connection { host, reason }, tries)
        };
        let request = self.signed_request(url, time)?;
        let client = self.caller.clients.client_for_aws(url);
        let response = send_logged(client, request, Some(tries.count)).await;
        let mut response = response.map_err(|error| unavailable(describe_causes(&error)))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = read_body(&mut response).await;
        let body = body.map_err(|error| unavailable(describe_causes(&error)))?;
        if status == 200 {
            return parse_token(&body);
        }
        let refusal = parse_refusal(status, &headers, &body);
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let server_time = date.and_then(|date| httpdate::parse_http_date(date).ok());
        Err(classify(refusal, server_time, tries))
    }

    /// Builds the request and signs it for `time`. (Signature Version 4, "Signing AWS API
    /// requests".)
    fn signed_request(&self, url: &Url, time: SystemTime) -> Result<Request, ApiError> {
        const BODY: &[u8] = b"{}";
        let malformed =
            |error: String| ApiError::Malformed(format!("cannot sign the request: {error}"));
        let service = self.service();
        let mut request = Request::new(Method::POST, url.clone());
        *request.timeout_mut() = Some(TIMEOUT);
        *request.body_mut() = Some(BODY.into());
        let headers = request.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        headers.insert("x-amz-target", HeaderValue::from_static(service.target));
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.host.region())
            .name(service.signing_name)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| malformed(error.to_string()))?;
        let text = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
        let signed: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        let signed = signed
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let signable =
            SignableRequest::new("POST", url.as_str(), signed, SignableBody::Bytes(BODY))
                .map_err(|error| malformed(error.to_string()))?;
        let signature =
            sign(signable, &params.into()).map_err(|error| malformed(error.to_string()))?;
        let (instructions, _) = signature.into_parts();
        for (name, value) in instructions.headers() {
            let name = HeaderName::try_from(name).map_err(|error| malformed(error.to_string()))?;
            let mut value =
                HeaderValue::try_from(value).map_err(|error| malformed(error.to_string()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

/// One token with its expiry, which is not read: the registry itself says when a token is no longer
/// valid.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationData {
    authorization_token: Option<Secret>,
}

/// The private API gives a list, the public one a single token.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    More(Vec<AuthorizationData>),
    One(AuthorizationData),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenResponse {
    authorization_data: OneOrMore,
}

pub(crate) fn parse_token(body: &[u8]) -> Result<Secret, ApiError> {
    let response: TokenResponse = serde_json::from_slice(body)
        .map_err(|_source| ApiError::Malformed("the response holds no token".to_owned()))?;
    let data = match response.authorization_data {
        OneOrMore::More(data) => data.into_iter().next(),
        OneOrMore::One(data) => Some(data),
    };
    data.and_then(|data| data.authorization_token)
        .ok_or_else(|| ApiError::Malformed("the response holds no token".to_owned()))
}

/// Returns whether `text` is the code or the message of a refusal because of the time for which a
/// request was signed. AWS tells some of these refusals apart only by their message.
pub(super) fn is_about_time(text: &str) -> bool {
    let phrases = [
        "RequestTimeTooSkewed",
        "RequestExpired",
        "Signature expired",
        "Signature not yet current",
    ];
    phrases.iter().any(|phrase| text.contains(phrase))
}

fn classify(refusal: Refusal, server_time: Option<SystemTime>, tries: Tries) -> ApiError {
    match refusal.status {
        429 => ApiError::Throttled(refusal, tries),
        _ if refusal.code.starts_with("Throttling") => ApiError::Throttled(refusal, tries),
        500.. => {
            let host = API.to_owned();
            ApiError::Unavailable(Fault::Status { host, refusal }, tries)
        }
        _ => ApiError::Refused {
            refusal,
            server_time,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_and_the_code_tell_whether_another_try_may_succeed() {
        let kind = |status: u16, code: &str| {
            let refusal = Refusal {
                status,
                code: code.to_owned(),
                message: String::new(),
            };
            let tries = Tries {
                count: 1,
                elapsed: Duration::ZERO,
            };
            match classify(refusal, None, tries) {
                ApiError::Throttled(..) => "throttled",
                ApiError::Unavailable(..) => "unavailable",
                ApiError::Refused { .. } => "refused",
                ApiError::Malformed(_) => "malformed",
            }
        };
        assert_eq!(kind(429, ""), "throttled");
        assert_eq!(kind(400, "ThrottlingException"), "throttled");
        assert_eq!(kind(503, "Throttling"), "throttled");
        assert_eq!(kind(500, "InternalFailure"), "unavailable");
        assert_eq!(kind(403, "AccessDeniedException"), "refused");
        assert_eq!(kind(499, ""), "refused");
    }
}
