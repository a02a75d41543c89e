//! What is wrong on our own side.

use std::io;
use std::path::PathBuf;

/// What is wrong with our own settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file cannot be read.
    #[error("{what} `{}` cannot be read", path.display())]
    File {
        /// What the file is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{what} `{}`: {reason}", path.display())]
    Malformed {
        /// What the file is.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A credential helper failed.
    #[error("credential helper `{program}`: {reason}")]
    Helper {
        /// The program.
        program: String,
        /// What is wrong.
        reason: String,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client: {reason}")]
    Http {
        /// What it says.
        reason: String,
    },
    /// Credentials would travel in the clear.
    #[error(
        "`{host}` asks for credentials, which are not sent over plain HTTP beyond this machine"
    )]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// A variable that names a proxy does not. Its value may hold a password, so it is not shown.
    #[error("`{variable}` is not the URL of a proxy, such as http://proxy.example:3128: {reason}")]
    Proxy {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        reason: &'static str,
    },
    /// One of two variables that go together is missing.
    #[error("`{present}` is set, but `{missing}` is not")]
    Variable {
        /// The variable that is there.
        present: &'static str,
        /// The variable that is not.
        missing: &'static str,
    },
    /// The registry's name makes no URL.
    #[error("registry `{registry}` is not a host name")]
    Registry {
        /// The name.
        registry: String,
    },
}
