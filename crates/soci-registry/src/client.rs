//! What a run shares, and one repository of it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use soci_oci::reference::RegistryReference;
use url::Url;

use crate::auth::Authenticator;
use crate::auth::scope::Scope;
use crate::credentials::CredentialChain;
use crate::credentials::environment::Environment;
use crate::ecr::{self, EcrHost};
use crate::error::sanitize::sanitize;
use crate::error::{
    ConfigurationError, Damage, Denial, Fault, Operation, Refusal, RegistryError, Tries, Violation,
};
use crate::http::clients;
use crate::http::egress::{self, Guard};
use crate::http::rate_limit::Pacing;
use crate::http::request::Request;
use crate::http::response::{self, Answer, ReadError};
use crate::http::retry::pause;
use crate::http::retry::{Budget, Cause};
use crate::http::transport::Transport;
use crate::options::{ClientOptions, PlainHttp, RetryPolicy};
use crate::push::sessions::OpenSessions;
use crate::referrers::support::ApiSupport;
use crate::registry::Registry;

/// What a run shares: connections, credentials, tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: ClientOptions,
    environment: Environment,
    /// Certificates (PEM) that are trusted besides the system's.
    certificates: Arc<[Vec<u8>]>,
    transport: Transport,
    registries: Arc<Mutex<BTreeMap<String, Arc<Registry>>>>,
    open_sessions: OpenSessions,
}

/// A repository of a registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Repository {
    client: Client,
    registry: Arc<Registry>,
    reference: Arc<RegistryReference>,
}

impl Client {
    /// Makes a client. Credentials are looked for when a registry asks for them; the environment is read now.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Configuration`] where a certificate file cannot be used.
    pub fn new(options: ClientOptions) -> Result<Self, RegistryError> {
        Self::with_environment(options, Environment::read())
    }

    fn with_environment(
        options: ClientOptions,
        environment: Environment,
    ) -> Result<Self, RegistryError> {
        let certificates = clients::read_certificates(&options.ca_files)?;
        let transport = Transport {
            clients: clients::http_clients(&options, &certificates, &environment.proxies)?,
            timeouts: options.timeouts.clone(),
            budget: Budget::new(&options.retries),
            retries: options.retries.clone(),
        };
        Ok(Self(Arc::new(Shared {
            options,
            environment,
            certificates: certificates.into(),
            transport,
            registries: Arc::default(),
            open_sessions: OpenSessions::default(),
        })))
    }

    /// Returns a client that shares everything with this one but the retries: for requests that a run can do without, which
    /// must not use up its budget.
    #[must_use]
    pub fn with_retries(&self, retries: RetryPolicy) -> Self {
        let Shared {
            options,
            environment,
            certificates,
            transport,
            registries,
            open_sessions: _,
        } = &*self.0;
        let transport = Transport {
            clients: transport.clients.clone(),
            timeouts: transport.timeouts.clone(),
            budget: Budget::new(&retries),
            retries: retries.clone(),
        };
        Self(Arc::new(Shared {
            options: ClientOptions {
                retries,
                ..options.clone()
            },
            environment: environment.clone(),
            certificates: Arc::clone(certificates),
            transport,
            registries: Arc::clone(registries),
            open_sessions: OpenSessions::default(),
        }))
    }

    /// Returns the repository that a reference names. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigurationError::Registry`] if the registry's name is no host name with an
    /// optional port.
    pub fn repository(
        &self,
        reference: &RegistryReference,
    ) -> Result<Repository, ConfigurationError> {
        let mut registries = self
            .0
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let registry = if let Some(registry) = registries.get(reference.host()) {
            Arc::clone(registry)
        } else {
            let registry = Arc::new(self.registry(reference)?);
            registries.insert(reference.host().to_owned(), Arc::clone(&registry));
            registry
        };
        Ok(Repository {
            client: self.clone(),
            registry,
            reference: Arc::new(reference.clone()),
        })
    }

    /// Cancels the upload sessions that are open, within one second. A session that is not
    /// cancelled expires at its registry after a while.
    pub async fn cancel_uploads(&self) {
        self.0.open_sessions.cancel_all(&self.0.transport).await;
    }

    fn registry(&self, reference: &RegistryReference) -> Result<Registry, ConfigurationError> {
        let options = &self.0.options;
        let host = reference.host();
        let parse_url = |text: String| {
            text.parse::<Url>()
                .map_err(|_error| ConfigurationError::Registry {
                    registry: sanitize(&reference.registry),
                })
        };
        let secure = parse_url(format!("https://{host}/"))?;
        let is_plain = match options.plain_http {
            PlainHttp::Always => true,
            PlainHttp::Loopback => egress::is_loopback(&secure),
            PlainHttp::Never => false,
        };
        let origin = if is_plain {
            parse_url(format!("http://{host}/"))?
        } else {
            secure
        };
        let certificates = Arc::clone(&self.0.certificates);
        let environment = self.0.environment.clone();
        let chain = CredentialChain::new(&reference.registry, options, environment, certificates);
        let is_ecr = EcrHost::parse(host).is_some();
        Ok(Registry {
            guard: Guard::new(origin),
            authenticator: Authenticator::new(chain),
            is_ecr,
            manifest_pacing: is_ecr.then(|| Pacing::new(ecr::MANIFESTS_PER_SECOND)),
            referrers_support: ApiSupport::default(),
        })
    }
}

impl Repository {
    /// Returns the reference that this repository was made from, its tag and digest included.
    pub fn reference(&self) -> &RegistryReference {
        &self.reference
    }

    pub(crate) fn open_sessions(&self) -> &OpenSessions {
        &self.client.0.open_sessions
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.client.0.transport
    }

    pub(crate) const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Returns over how many connections one blob comes.
    pub(crate) fn connections(&self) -> NonZeroUsize {
        self.client.0.options.connections
    }

    pub(crate) fn name(&self) -> &str {
        &self.reference.repository
    }

    pub(crate) fn operation(
        &self,
        action: &'static str,
        object: impl std::fmt::Display,
    ) -> Operation {
        Operation {
            action,
            object: object.to_string(),
            registry: self.reference.registry.clone(),
            repository: self.reference.repository.clone(),
        }
    }

    /// Returns the URL of something in this repository. Names, tags and digests need no escaping.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.registry.guard.origin().clone();
        url.set_path(&format!("/v2/{}/{path}", self.name()));
        url
    }

    /// Sends a request with the credentials that its registry wants.
    pub(crate) async fn send(
        &self,
        operation: &Operation,
        request: &Request,
    ) -> Result<Answer, RegistryError> {
        let scope = match request.method {
            Method::GET | Method::HEAD => Scope::pull(self.name()),
            _ => Scope::push(self.name()),
        };
        self.send_for(operation, request, &scope).await
    }

    /// Sends a request with credentials for a scope.
    pub(crate) async fn send_for(
        &self,
        operation: &Operation,
        request: &Request,
        scope: &Scope,
    ) -> Result<Answer, RegistryError> {
        self.registry
            .send(self.transport(), operation, request, scope)
            .await
    }

    /// Fetches a document of at most `limit` bytes. A refusal comes back as it is.
    pub(crate) async fn document(
        &self,
        operation: &Operation,
        request: &Request,
        limit: u64,
    ) -> Result<Result<Document, Refusal>, RegistryError> {
        let transport = self.transport();
        let mut backoff = transport.backoff();
        loop {
            let response = match self.send(operation, request).await? {
                Answer::Done(response) => response,
                Answer::Elsewhere => return Err(operation.protocol(Violation::Redirected)),
                Answer::Refused(refused) => return Ok(Err(refused.refusal)),
            };
            let headers = response.headers().clone();
            let host = egress::host(response.url());
            let expected = response.content_length().unwrap_or_default();
            match response::read(response, limit, transport.timeouts.idle).await {
                Ok(bytes) => {
                    backoff.succeed();
                    return Ok(Ok(Document { headers, bytes }));
                }
                Err(ReadError::TooLarge) => {
                    return Err(operation.bad_data(Damage::TooLarge { limit }));
                }
                Err(ReadError::Cut { received, reason }) => {
                    let fault = Fault::Cut {
                        host,
                        received,
                        expected,
                        reason,
                    };
                    match backoff.wait(Cause::Transient) {
                        Some(wait) => {
                            pause(operation, &fault.to_string(), backoff.tries(), wait).await;
                        }
                        None => return Err(operation.unavailable(fault, backoff.tries())),
                    }
                }
            }
        }
    }

    /// Turns a refusal into the error that it is.
    pub(crate) fn refuse(
        &self,
        operation: &Operation,
        request: &Request,
        refusal: Refusal,
    ) -> RegistryError {
        let status = StatusCode::from_u16(refusal.status).unwrap_or_default();
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => operation.bad_data(Damage::Refused(refusal)),
            // A quota is no matter of permissions, and no hint about those would help.
            StatusCode::FORBIDDEN if refusal.is_quota() => {
                operation.protocol(Violation::Refused(refusal))
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => operation.denied_by_proxy(),
            // What Go's servers say, and so most registries.
            StatusCode::BAD_REQUEST
                if refusal.message.contains("HTTP request to an HTTPS server") =>
            {
                let fault = Fault::Tls {
                    host: egress::host(&request.url),
                    reason: crate::http::error::SPEAKS_TLS.to_owned(),
                };
                operation.unavailable(fault, Tries::once())
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                operation.denied(Denial::Refused(refusal), self.hint(request))
            }
            StatusCode::NOT_FOUND => RegistryError::NotFound {
                operation: Box::new(operation.clone()),
                refusal,
            },
            _ => operation.protocol(Violation::Refused(refusal)),
        }
    }

    fn hint(&self, request: &Request) -> Option<String> {
        let registry = &self.registry;
        if let Some(hint) = registry.authenticator.missing_credentials_hint() {
            return Some(hint);
        }
        let is_ecr = registry.is_ecr;
        let action = is_ecr.then(|| ecr::action(&request.method, request.url.path()))??;
        let name = self.name();
        Some(format!(
            "the caller needs {action} on the repository `{name}`"
        ))
    }
}

/// A small document with the head of its reply.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Document {
    /// Returns a header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the media type of the reply, without parameters.
    pub(crate) fn media_type(&self) -> &str {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }
}
