//! The order of the sources. The first one that knows the registry wins.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::config::{self, Config};
use super::environment::Environment;
use super::{Credential, Renewal, helper};
use crate::ecr::{self, EcrHost};
use crate::error::{ConfigurationError, Operation, RegistryError};
use crate::options::ClientOptions;

/// The sources for one registry, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The registry as users write it.
    registry: String,
    authfile: Option<PathBuf>,
    environment: Environment,
    ecr: Option<EcrHost>,
    /// Certificates (PEM) that are trusted besides the system's.
    certificates: Arc<[Vec<u8>]>,
    helper_limit: Duration,
}

impl Chain {
    pub(crate) fn new(
        registry: &str,
        options: &ClientOptions,
        environment: Environment,
        certificates: Arc<[Vec<u8>]>,
    ) -> Self {
        let named = options.authfile.clone();
        Self {
            registry: registry.to_owned(),
            authfile: named.or_else(|| environment.authfile.clone()),
            environment,
            ecr: EcrHost::parse(registry),
            certificates,
            helper_limit: options.timeouts.helper,
        }
    }

    /// Says whether the registry is one of ECR.
    pub(crate) const fn is_for_ecr(&self) -> bool {
        self.ecr.is_some()
    }

    /// Asks one source after the other.
    pub(crate) async fn resolve(&self, operation: &Operation) -> Result<Credential, RegistryError> {
        let mut tried = Vec::new();
        if let Some(path) = &self.authfile {
            match self.file(path, &mut tried).await? {
                Looked::Absent => {
                    return Err(ConfigurationError::File {
                        what: "credential file",
                        path: path.clone(),
                        source: std::io::ErrorKind::NotFound.into(),
                    }
                    .into());
                }
                Looked::Nothing => {}
                Looked::Found(credential) => return Ok(credential),
            }
        }
        if let Some(credential) = self.variables(&mut tried)? {
            return Ok(credential);
        }
        for path in self.default_files() {
            if let Looked::Found(credential) = self.file(&path, &mut tried).await? {
                return Ok(credential);
            }
        }
        if let Some(ecr) = &self.ecr
            && let Some(credential) = ecr
                .credential(operation, &mut tried, self.aws_http())
                .await?
        {
            return Ok(credential);
        }
        tracing::debug!(registry = self.registry, ?tried, "no credentials");
        Ok(Credential::Anonymous { tried })
    }

    fn aws_http(&self) -> SharedHttpClient {
        ecr::http::client(&self.certificates)
    }

    fn variables(&self, tried: &mut Vec<String>) -> Result<Option<Credential>, ConfigurationError> {
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

    /// Returns the files that are read without being named, Docker's first.
    fn default_files(&self) -> Vec<PathBuf> {
        let environment = &self.environment;
        let home = environment.home.as_ref().map(|home| home.join(".docker"));
        let docker = environment.docker_config.clone().or(home);
        let runtime = environment.runtime.as_ref();
        let docker = docker.map(|folder| folder.join("config.json"));
        let podman = runtime.map(|folder| folder.join("containers/auth.json"));
        docker.into_iter().chain(podman).collect()
    }

    async fn file(&self, path: &Path, tried: &mut Vec<String>) -> Result<Looked, RegistryError> {
        let Some(config) = Config::read(path)? else {
            tried.push(format!("`{}`: not there", path.display()));
            return Ok(Looked::Absent);
        };
        if let Some(name) = config.helper(&self.registry) {
            let server = config::server(&self.registry);
            match helper::get(name, server, self.helper_limit).await? {
                Some(credential) => return Ok(Looked::Found(credential)),
                None => tried.push(format!("helper `{name}`: nothing for `{server}`")),
            }
        }
        if let Some(credential) = config.entry(&self.registry, path)? {
            return Ok(Looked::Found(credential));
        }
        let registry = &self.registry;
        tried.push(format!("`{}`: nothing for `{registry}`", path.display()));
        Ok(Looked::Nothing)
    }
}

/// What came of looking into a file.
enum Looked {
    Absent,
    Nothing,
    Found(Credential),
}
