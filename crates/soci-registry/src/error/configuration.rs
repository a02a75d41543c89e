//! Errors of the user's settings.

use std::io;
use std::path::PathBuf;

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
    /// A credential helper failed.
    #[error("credential helper `{program}`: {reason}")]
    Helper {
        /// The program's name.
        program: String,
        /// How it failed.
        reason: String,
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
        "`{host}` asks for credentials, which are not sent over plain HTTP beyond this machine"
    )]
    PlainHttp {
        /// The host, with its port.
        host: String,
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
