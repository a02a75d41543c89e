//! Errors of the user's settings.

use std::io;
use std::path::PathBuf;

use super::describe_tried;

/// What is wrong with the user's settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file cannot be read.
    #[error("{what} `{}` cannot be read", path.display())]
    File {
        /// The kind of file, such as `credential file`.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// A file has malformed content.
    #[error("{what} `{}`: {reason}", path.display())]
    Malformed {
        /// The kind of file, such as `credential file`.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What is wrong with the content.
        reason: String,
    },
    /// The registry asks for credentials, a source that is set up cannot be used, and no other one
    /// has a credential that is accepted.
    #[error(
        "the registry asks for credentials, and none were found{}",
        describe_tried(tried)
    )]
    NoCredentials {
        /// The sources, each with its result.
        tried: Vec<String>,
        /// What the user can do.
        hint: String,
    },
    /// A variable does not name a registry.
    #[error(
        "`{variable}` is `{value}`, expected the host name of a registry with an optional port, such as registry.example:5000"
    )]
    RegistryName {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {reason}")]
    Http {
        /// The cause, as the HTTP library describes it.
        reason: String,
    },
    /// The certificates of the system cannot be loaded.
    #[error("cannot set up the HTTP client: {reason}")]
    SystemCertificates {
        /// The cause, as rustls describes it.
        reason: String,
    },
    /// Credentials would be sent unencrypted to another machine.
    #[error(
        "{} asks for credentials, which are not sent over plain HTTP beyond this machine",
        name_server(token_server.as_deref())
    )]
    PlainHttp {
        /// The token server's host with its port, unless it is the registry itself.
        token_server: Option<String>,
    },
    /// The value of a proxy variable is malformed. It is not shown, because it may hold a password.
    #[error("`{variable}` is not the URL of a proxy, such as http://proxy.example:3128: {reason}")]
    Proxy {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// Only one of two variables that belong together is set.
    #[error("`{present}` is set, but `{missing}` is not")]
    Variable {
        /// The variable that is set.
        present: &'static str,
        /// The variable that is not set.
        missing: &'static str,
    },
    /// The registry's name is not a host name with an optional port.
    #[error("registry `{registry}` is not a host name")]
    Registry {
        /// The name.
        registry: String,
    },
}

fn name_server(token_server: Option<&str>) -> String {
    match token_server {
        Some(host) => format!("the token server `{host}`"),
        None => "the registry".to_owned(),
    }
}
