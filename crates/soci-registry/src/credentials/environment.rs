//! The variables that name credentials, read once when a client is made.

use std::path::PathBuf;

use crate::secret::Secret;

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `REGISTRY_AUTH_FILE`.
    pub(crate) authfile: Option<PathBuf>,
    /// `SOCI_USERNAME`.
    pub(crate) username: Option<String>,
    /// `SOCI_PASSWORD`.
    pub(crate) password: Option<Secret>,
    /// `DOCKER_CONFIG`: the folder of Docker's `config.json`.
    pub(crate) docker_config: Option<PathBuf>,
    /// `HOME`.
    pub(crate) home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: where podman and skopeo keep what they log in with.
    pub(crate) runtime: Option<PathBuf>,
    /// The variables that name proxies, with their values, which may hold passwords.
    pub(crate) proxies: Vec<(&'static str, Secret)>,
}

/// The variables that name proxies. `NO_PROXY` names none.
pub(crate) const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

impl Environment {
    pub(crate) fn read() -> Self {
        Self {
            authfile: variable("REGISTRY_AUTH_FILE").map(PathBuf::from),
            username: variable("SOCI_USERNAME"),
            password: variable("SOCI_PASSWORD").map(Secret::new),
            docker_config: variable("DOCKER_CONFIG").map(PathBuf::from),
            home: variable("HOME").map(PathBuf::from),
            runtime: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            proxies: PROXIES
                .into_iter()
                .filter_map(|name| Some((name, Secret::new(variable(name)?))))
                .collect(),
        }
    }
}

/// Returns a variable's value, unless it is empty.
fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "credentials come from the environment, and only from here"
    )]
    let value = std::env::var(name).ok()?;
    (!value.is_empty()).then_some(value)
}
