//! The client, which holds what all requests of a run share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use soci_oci::reference::RegistryReference;
use url::Url;

use crate::auth::Authenticator;
use crate::auth::notes::Warnings;
use crate::credentials::environment::Environment;
use crate::credentials::password_registry::PasswordRegistry;
use crate::credentials::{CredentialChain, EcrSource};
use crate::ecr::{self, EcrHost};
use crate::error::sanitize::sanitize;
use crate::error::{ConfigurationError, RegistryError};
use crate::http::clients::{ClientSettings, read_certificates};
use crate::http::egress::{self, EgressPolicy};
use crate::http::rate_limit::RateLimiter;
use crate::http::resolver::{Lookup, system_lookup};
use crate::options::{ClientOptions, PlainHttp, RetryPolicy};
use crate::push::mode::{KnownMode, SinglePosts};
use crate::referrers::support::ApiSupport;
use crate::registry::Registry;
use crate::repository::{Repository, RunContext};

/// A client for any number of registries. Its requests share connections, credentials, tokens and
/// one budget for retries. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

struct Shared {
    options: ClientOptions,
    run: Arc<RunContext>,
    registries: Arc<Registries>,
}

/// The registries that were used so far, and what new ones are made from.
struct Registries {
    environment: Environment,
    password_registry: Arc<PasswordRegistry>,
    /// The warnings about credential sources that were given.
    warnings: Arc<Warnings>,
    settings: ClientSettings,
    /// By the host's name with its port.
    known: Mutex<BTreeMap<String, Arc<Registry>>>,
}

impl Client {
    /// Returns a new client. The environment and the certificate files are read now; credentials
    /// are looked up when a registry asks for them.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::Configuration`] if a certificate file cannot be read, if a variable
    /// does not hold the URL of a proxy, or if `SOCI_REGISTRY` is not the name of a registry.
    pub fn new(options: ClientOptions) -> Result<Self, RegistryError> {
        Self::with_lookup(options, Environment::read(), system_lookup())
    }

    /// Returns a new client that resolves host names by `lookup`.
    pub(crate) fn with_lookup(
        options: ClientOptions,
        environment: Environment,
        lookup: Lookup,
    ) -> Result<Self, RegistryError> {
        let certificates = read_certificates(&options.ca_files)?;
        let settings = ClientSettings::new(&options, certificates, &environment.proxies, lookup)?;
        let password_registry = PasswordRegistry::from_variable(environment.registry.as_deref())?;
        Ok(Self(Arc::new(Shared {
            run: Arc::new(RunContext::new(&options)),
            options,
            registries: Arc::new(Registries {
                environment,
                password_registry: Arc::new(password_registry),
                warnings: Arc::default(),
                settings,
                known: Mutex::default(),
            }),
        })))
    }

    /// Returns a client that shares connections, credentials and tokens with this one, but has its
    /// own retries and retry budget. For requests that the run can do without.
    #[must_use]
    pub fn with_retries(&self, retries: RetryPolicy) -> Self {
        let Shared {
            options,
            registries,
            ..
        } = &*self.0;
        let options = ClientOptions {
            retries,
            ..options.clone()
        };
        Self(Arc::new(Shared {
            run: Arc::new(RunContext::new(&options)),
            options,
            registries: Arc::clone(registries),
        }))
    }

    /// Makes a registry the only one that gets `SOCI_USERNAME` and `SOCI_PASSWORD`, unless
    /// `SOCI_REGISTRY` or an earlier call has named another one. Without either, no registry gets
    /// them.
    pub fn claim_password_for(&self, reference: &RegistryReference) {
        let registries = &self.0.registries;
        registries.password_registry.claim(&reference.registry);
    }

    /// Returns the repository that a reference names. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Returns [`ConfigurationError::Registry`] if the registry's name is not a host name with an
    /// optional port. Returns another error if TLS cannot be set up.
    pub fn repository(
        &self,
        reference: &RegistryReference,
    ) -> Result<Repository, ConfigurationError> {
        let known = &self.0.registries.known;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = if let Some(registry) = known.get(reference.host()) {
            Arc::clone(registry)
        } else {
            let registry = Arc::new(self.create_registry(reference)?);
            known.insert(reference.host().to_owned(), Arc::clone(&registry));
            registry
        };
        let run = Arc::clone(&self.0.run);
        Ok(Repository::new(run, registry, reference.clone()))
    }

    /// Cancels the upload sessions that are open, within one second. A session that is not
    /// cancelled expires at its registry after a while.
    pub async fn cancel_uploads(&self) {
        let RunContext {
            transport,
            open_sessions,
            ..
        } = &*self.0.run;
        open_sessions.cancel_all(transport).await;
    }

    fn create_registry(
        &self,
        reference: &RegistryReference,
    ) -> Result<Registry, ConfigurationError> {
        let Registries {
            environment,
            password_registry,
            warnings,
            settings,
            ..
        } = &*self.0.registries;
        let policy = EgressPolicy::new(self.origin_of(reference)?);
        let ecr = EcrHost::parse(&reference.host().to_ascii_lowercase())
            .map(|host| {
                let clients = settings.build_for_aws()?;
                let retries = self.0.options.retries.clone();
                Ok::<_, ConfigurationError>(EcrSource {
                    host,
                    clients,
                    retries,
                })
            })
            .transpose()?;
        let is_ecr = ecr.is_some();
        let chain = CredentialChain::new(
            &reference.registry,
            &self.0.options,
            environment.clone(),
            Arc::clone(password_registry),
            ecr,
        );
        Ok(Registry {
            clients: settings.build_for(policy)?,
            authenticator: Authenticator::new(chain, Arc::clone(warnings)),
            manifest_rate: is_ecr.then(|| RateLimiter::new(ecr::MANIFESTS_PER_SECOND)),
            referrers_support: ApiSupport::default(),
            upload_mode: KnownMode::default(),
            single_posts: SinglePosts::default(),
            flow: Arc::default(),
        })
    }

    /// Returns the URL of a registry's root, with the scheme that the options choose for it.
    fn origin_of(&self, reference: &RegistryReference) -> Result<Url, ConfigurationError> {
        let parse_url = |scheme: &str| {
            let url = format!("{scheme}://{}/", reference.host());
            url.parse().map_err(|_error| ConfigurationError::Registry {
                registry: sanitize(&reference.registry),
            })
        };
        let secure: Url = parse_url("https")?;
        let is_plain = match self.0.options.plain_http {
            PlainHttp::Always => true,
            PlainHttp::Loopback => egress::is_loopback(&secure),
            PlainHttp::Never => false,
        };
        if is_plain {
            parse_url("http")
        } else {
            Ok(secure)
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
