//! The environment variables that concern credentials, read once when a client is created.

use std::path::PathBuf;

use crate::secret::Secret;

/// The values of the environment variables that concern credentials.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `REGISTRY_AUTH_FILE`: a credential file, as podman and skopeo read it.
    pub(crate) authfile: Option<PathBuf>,
    /// `SOCI_USERNAME`.
    pub(crate) username: Option<String>,
    /// `SOCI_PASSWORD`.
    pub(crate) password: Option<Secret>,
    /// `SOCI_REGISTRY`: the registry that gets user name and password.
    pub(crate) registry: Option<String>,
    /// `DOCKER_CONFIG`: the directory of Docker's `config.json`.
    pub(crate) docker_config: Option<PathBuf>,
    /// `HOME`.
    pub(crate) home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: the directory in which podman and skopeo store their logins.
    pub(crate) runtime: Option<PathBuf>,
    /// The variables of [`PROXY_VARIABLES`] that are set. A proxy's URL may hold a password.
    pub(crate) proxies: Vec<(&'static str, Secret)>,
}

/// The variables that name a proxy. `NO_PROXY` is not among them: it names hosts.
pub(crate) const PROXY_VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

impl Environment {
    /// Reads the variables of this process.
    pub(crate) fn read() -> Self {
        Self {
            authfile: read_variable("REGISTRY_AUTH_FILE").map(PathBuf::from),
            username: read_line("SOCI_USERNAME"),
            password: read_line("SOCI_PASSWORD").map(Secret::new),
            registry: read_variable("SOCI_REGISTRY"),
            docker_config: read_variable("DOCKER_CONFIG").map(PathBuf::from),
            home: read_variable("HOME").map(PathBuf::from),
            runtime: read_variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            proxies: PROXY_VARIABLES
                .into_iter()
                .filter_map(|name| Some((name, Secret::new(read_variable(name)?))))
                .collect(),
        }
    }
}

/// Returns a variable's value without the line end that a file with a secret often has, as
/// `docker login --password-stdin` reads it.
fn read_line(name: &str) -> Option<String> {
    let value = read_variable(name)?;
    let line = value.trim_end_matches(['\r', '\n']);
    (!line.is_empty()).then(|| line.to_owned())
}

/// Returns a variable's value. An empty variable counts as not set.
fn read_variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "credentials come from the environment, and only from here"
    )]
    let value = std::env::var(name).ok()?;
    (!value.is_empty()).then_some(value)
}
