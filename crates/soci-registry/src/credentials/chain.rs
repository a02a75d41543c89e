//! The order of the credential sources, and how each is asked.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Credential;
use super::docker_config::{DockerConfig, server_address};
use super::docker_helper::{ask_helper, program_name};
use super::environment::Environment;
use super::password_registry::PasswordRegistry;
use super::source::{Answer, Found, Problem, ProblemKind, Source};
use crate::ecr::{ApiCaller, EcrHost};
use crate::error::{ConfigurationError, Operation, RegistryError};
use crate::http::clients::Clients;
use crate::options::{ClientOptions, RetryPolicy};

/// What messages call the variables with user name and password.
const VARIABLES: &str = "SOCI_USERNAME and SOCI_PASSWORD";

/// The credential sources of one registry.
#[derive(Clone, Debug)]
pub(crate) struct CredentialChain {
    /// The registry as users write it.
    registry: String,
    /// The credential file that the user has named.
    authfile: Option<PathBuf>,
    environment: Environment,
    /// The registry that gets user name and password of the environment.
    password_registry: Arc<PasswordRegistry>,
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

impl CredentialChain {
    /// Returns the sources for `registry`. An authfile among the options overrides the one that the
    /// environment names.
    pub(crate) fn new(
        registry: &str,
        options: &ClientOptions,
        environment: Environment,
        password_registry: Arc<PasswordRegistry>,
        ecr: Option<EcrSource>,
    ) -> Self {
        let authfile = options.authfile.clone();
        Self {
            registry: registry.to_owned(),
            authfile: authfile.or_else(|| environment.authfile.clone()),
            environment,
            password_registry,
            ecr,
            helper_timeout: options.timeouts.helper,
        }
    }

    /// Returns the registry as users write it.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the host of the registry if it is an Amazon ECR registry.
    pub(crate) fn ecr_host(&self) -> Option<&EcrHost> {
        self.ecr.as_ref().map(|ecr| &ecr.host)
    }

    /// Returns the sources in the order in which they are tried: what the user has named for this
    /// run, the helper for this registry, AWS credentials for an ECR registry, what `docker login`
    /// has stored, and access without credentials. A login to ECR expires after 12 hours, so AWS
    /// credentials come before it.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let mut sources = Vec::new();
        if let Some(path) = &self.authfile {
            sources.extend([
                Source::HostHelper(path.clone()),
                Source::Entry(path.clone()),
                Source::DefaultHelper(path.clone()),
            ]);
        }
        sources.push(Source::Variables);
        let mut files = self.default_files();
        // A file is tried once.
        files.retain(|path| Some(path) != self.authfile.as_ref());
        sources.extend(files.iter().cloned().map(Source::HostHelper));
        if self.ecr.is_some() {
            sources.push(Source::Aws);
        }
        for path in files {
            sources.extend([Source::Entry(path.clone()), Source::DefaultHelper(path)]);
        }
        sources.push(Source::Anonymous);
        sources
    }

    /// Asks a source for its credential.
    ///
    /// # Errors
    ///
    /// Returns an error if what the user has named for this run cannot be used: if the authfile
    /// cannot be read, or if only one of `SOCI_USERNAME` and `SOCI_PASSWORD` is set.
    pub(crate) async fn ask(
        &self,
        source: &Source,
        operation: &Operation,
    ) -> Result<Answer, RegistryError> {
        match source {
            Source::HostHelper(path) | Source::Entry(path) | Source::DefaultHelper(path) => {
                self.ask_file(source, path).await
            }
            Source::Variables => Ok(self.read_variables()?),
            Source::Aws => Ok(self.ask_aws(operation).await),
            Source::Anonymous => Ok(Answer::Found(Found {
                credential: None,
                label: "no credentials".to_owned(),
            })),
        }
    }

    /// Returns advice for a user whose variables are kept from this registry.
    pub(crate) fn variables_hint(&self) -> Option<String> {
        let is_withheld = self.environment.username.is_some()
            && self.environment.password.is_some()
            && !self.password_registry.is(&self.registry);
        is_withheld
            .then(|| format!("if {VARIABLES} are for this registry, name it in SOCI_REGISTRY"))
    }

    /// Returns the credential in `SOCI_USERNAME` and `SOCI_PASSWORD`.
    fn read_variables(&self) -> Result<Answer, ConfigurationError> {
        let missing = |present, missing| ConfigurationError::Variable { present, missing };
        match (&self.environment.username, &self.environment.password) {
            (None, None) => Ok(Answer::Nothing(Some(format!("{VARIABLES}: not set")))),
            _ if !self.password_registry.is(&self.registry) => {
                let owner = match self.password_registry.name() {
                    Some(name) => format!("only for `{name}`"),
                    None => "not for this registry".to_owned(),
                };
                Ok(Answer::Nothing(Some(format!("{VARIABLES}: {owner}"))))
            }
            (Some(_), None) => Err(missing("SOCI_USERNAME", "SOCI_PASSWORD")),
            (None, Some(_)) => Err(missing("SOCI_PASSWORD", "SOCI_USERNAME")),
            (Some(username), Some(password)) => {
                let credential = Credential::from_pair(username.clone(), password.clone());
                Ok(Answer::Found(Found {
                    credential: Some(credential),
                    label: VARIABLES.to_owned(),
                }))
            }
        }
    }

    /// Exchanges AWS credentials for a token of the registry.
    async fn ask_aws(&self, operation: &Operation) -> Answer {
        let Some(ecr) = &self.ecr else {
            return Answer::Nothing(None);
        };
        let caller = ApiCaller {
            operation,
            clients: &ecr.clients,
            retries: &ecr.retries,
            helper_timeout: self.helper_timeout,
        };
        ecr.host.ask_for_token(caller).await
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

    /// Looks up the registry in a credential file, or asks the helper that the file names.
    async fn ask_file(&self, source: &Source, path: &Path) -> Result<Answer, RegistryError> {
        let is_named = self.authfile.as_deref() == Some(path);
        let config = match DockerConfig::read(path) {
            Ok(Some(config)) => config,
            Ok(None) if is_named => {
                return Err(ConfigurationError::File {
                    what: "credential file",
                    path: path.to_owned(),
                    source: std::io::ErrorKind::NotFound.into(),
                }
                .into());
            }
            Ok(None) => {
                let line = format!("`{}`: not found", path.display());
                let is_entry = matches!(source, Source::Entry(_));
                return Ok(Answer::Nothing(is_entry.then_some(line)));
            }
            Err(error) if is_named => return Err(error.into()),
            // The source for its entry reports the file once.
            Err(error) if matches!(source, Source::Entry(_)) => return Ok(unusable_file(&error)),
            Err(_) => return Ok(Answer::Nothing(None)),
        };
        let registry = &self.registry;
        let helper = match source {
            Source::HostHelper(_) => config.host_helper(registry),
            Source::DefaultHelper(_) => config.default_helper(registry),
            _ => return Ok(self.read_entry(&config, path)),
        };
        match helper {
            Some(helper) => Ok(self.ask_helper_of(path, helper).await),
            None => Ok(Answer::Nothing(None)),
        }
    }

    /// Looks up the registry's entry in a credential file.
    fn read_entry(&self, config: &DockerConfig, path: &Path) -> Answer {
        match config.credential_for(&self.registry, path) {
            Ok(Some(credential)) => Answer::Found(Found {
                credential: Some(credential),
                label: format!("`{}`", path.display()),
            }),
            Ok(None) => {
                let line = format!("`{}`: no entry for this registry", path.display());
                Answer::Nothing(Some(line))
            }
            Err(error) => unusable_file(&error),
        }
    }

    /// Asks the credential helper that a file names.
    async fn ask_helper_of(&self, path: &Path, helper: &str) -> Answer {
        let (program, file) = (program_name(helper), path.display());
        let label = format!("credential helper `{program}` of `{file}`");
        let server = server_address(&self.registry);
        match ask_helper(helper, server, self.helper_timeout).await {
            Ok(Some(credential)) => Answer::Found(Found {
                credential: Some(credential),
                label,
            }),
            Ok(None) => {
                let line = format!("{label}: no credentials for this registry");
                Answer::Nothing(Some(line))
            }
            Err(failure) => Answer::Failed(Problem {
                line: format!("{label}: {failure}"),
                kind: ProblemKind::Configuration,
                hint: Some(failure.hint(&program, path)),
            }),
        }
    }
}

/// Returns the answer of a credential file that cannot be used.
fn unusable_file(error: &ConfigurationError) -> Answer {
    let line = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Answer::Failed(Problem {
        line,
        kind: ProblemKind::Configuration,
        hint: Some("correct the file, make it readable, or remove it".to_owned()),
    })
}

#[cfg(test)]
pub(crate) mod tests;
