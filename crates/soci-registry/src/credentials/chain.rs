//! The order of the credential sources. The first source that has a credential for the registry
//! wins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::docker_config::{DockerConfig, server_address};
use super::docker_helper::ask_helper;
use super::environment::Environment;
use super::{Credential, Renewal};
use crate::ecr::{ApiCaller, EcrHost};
use crate::error::{ConfigurationError, Operation, RegistryError};
use crate::http::clients::Clients;
use crate::options::{ClientOptions, RetryPolicy};

/// The credential sources for one registry.
#[derive(Clone, Debug)]
pub(crate) struct CredentialChain {
    /// The registry as users write it.
    registry: String,
    /// The credential file that the user has named.
    authfile: Option<PathBuf>,
    environment: Environment,
    /// The AWS credential chain, if the registry is an Amazon ECR registry.
    ecr: Option<EcrSource>,
    helper_timeout: Duration,
}

/// What tokens of an Amazon ECR registry are fetched with.
#[derive(Clone, Debug)]
pub(crate) struct EcrSource {
    pub(crate) host: EcrHost,
    /// The HTTP clients that ask for AWS credentials and for the token.
    pub(crate) clients: Clients,
    /// The waits between the tries to get a token.
    pub(crate) retries: RetryPolicy,
}

/// The result of a lookup in a credential file.
enum FileLookup {
    MissingFile,
    NoEntry,
    Found(Credential),
}

impl CredentialChain {
    /// Returns the sources for `registry`. An authfile among the options overrides the one that the
    /// environment names.
    pub(crate) fn new(
        registry: &str,
        options: &ClientOptions,
        environment: Environment,
        ecr: Option<EcrSource>,
    ) -> Self {
        let authfile = options.authfile.clone();
        Self {
            registry: registry.to_owned(),
            authfile: authfile.or_else(|| environment.authfile.clone()),
            environment,
            ecr,
            helper_timeout: options.timeouts.helper,
        }
    }

    /// Returns whether the registry is an Amazon ECR registry.
    pub(crate) const fn is_for_ecr(&self) -> bool {
        self.ecr.is_some()
    }

    /// Returns the credential of the first source that has one: the authfile, the environment
    /// variables, the default files, and AWS credentials for an ECR registry.
    ///
    /// # Errors
    ///
    /// Returns an error if the authfile does not exist, or if a source holds something that cannot
    /// be used. A source without a credential is not an error.
    pub(crate) async fn resolve(&self, operation: &Operation) -> Result<Credential, RegistryError> {
        let mut tried = Vec::new();
        if let Some(path) = &self.authfile {
            match self.lookup_in_file(path, &mut tried).await? {
                FileLookup::MissingFile => {
                    return Err(ConfigurationError::File {
                        what: "credential file",
                        path: path.clone(),
                        source: std::io::ErrorKind::NotFound.into(),
                    }
                    .into());
                }
                FileLookup::NoEntry => {}
                FileLookup::Found(credential) => return Ok(credential),
            }
        }
        if let Some(credential) = self.read_variables(&mut tried)? {
            return Ok(credential);
        }
        for path in self.default_files() {
            let lookup = self.lookup_in_file(&path, &mut tried).await?;
            if let FileLookup::Found(credential) = lookup {
                return Ok(credential);
            }
        }
        if let Some(EcrSource {
            host,
            clients,
            retries,
        }) = &self.ecr
        {
            let caller = ApiCaller {
                operation,
                clients,
                retries,
            };
            if let Some(credential) = host.credential(caller, &mut tried).await? {
                return Ok(credential);
            }
        }
        tracing::debug!(registry = self.registry, ?tried, "no credentials");
        Ok(Credential::Anonymous { tried })
    }

    /// Returns the credential in `SOCI_USERNAME` and `SOCI_PASSWORD`.
    fn read_variables(
        &self,
        tried: &mut Vec<String>,
    ) -> Result<Option<Credential>, ConfigurationError> {
        let missing = |present, missing| ConfigurationError::Variable { present, missing };
        match (&self.environment.username, &self.environment.password) {
            (Some(username), Some(password)) => Ok(Some(Credential::from_pair(
                username.clone(),
                password.clone(),
                Renewal::Fixed,
            ))),
            (Some(_), None) => Err(missing("SOCI_USERNAME", "SOCI_PASSWORD")),
            (None, Some(_)) => Err(missing("SOCI_PASSWORD", "SOCI_USERNAME")),
            (None, None) => {
                tried.push("SOCI_USERNAME and SOCI_PASSWORD: not set".to_owned());
                Ok(None)
            }
        }
    }

    /// Returns the files that are read although the user has named none: Docker's, then podman's.
    fn default_files(&self) -> Vec<PathBuf> {
        let environment = &self.environment;
        let home = environment.home.as_ref().map(|home| home.join(".docker"));
        let docker = environment.docker_config.clone().or(home);
        let docker = docker.map(|directory| directory.join("config.json"));
        let runtime = environment.runtime.as_ref();
        let podman = runtime.map(|directory| directory.join("containers/auth.json"));
        docker.into_iter().chain(podman).collect()
    }

    /// Looks up the registry in a credential file: first with the helper that the file names, then
    /// in the file itself.
    async fn lookup_in_file(
        &self,
        path: &Path,
        tried: &mut Vec<String>,
    ) -> Result<FileLookup, RegistryError> {
        let Some(config) = DockerConfig::read(path)? else {
            tried.push(format!("`{}`: not found", path.display()));
            return Ok(FileLookup::MissingFile);
        };
        if let Some(helper) = config.helper_for(&self.registry) {
            let server = server_address(&self.registry);
            match ask_helper(helper, server, self.helper_timeout).await? {
                Some(credential) => return Ok(FileLookup::Found(credential)),
                None => tried.push(format!("helper `{helper}`: no credentials for `{server}`")),
            }
        }
        if let Some(credential) = config.credential_for(&self.registry, path)? {
            return Ok(FileLookup::Found(credential));
        }
        let registry = &self.registry;
        tried.push(format!("`{}`: no entry for `{registry}`", path.display()));
        Ok(FileLookup::NoEntry)
    }
}
