//! The errors of this crate, by who can act on them: the user, the registry, or the network.

mod configuration;
mod fault;
pub(crate) mod sanitize;
mod violation;

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

pub use configuration::ConfigurationError;
pub use fault::{Fault, TlsFailure, Tries};
pub use violation::{Damage, Violation};

/// Why an operation on a registry failed.
///
/// The text names what was done and on which object, but not the registry and the repository: the
/// caller puts the image's reference before it, which does. A host stands in the text only if it is
/// not the registry's own.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry or its token server denies access.
    #[error("{}: {}", operation.brief(), self.reason())]
    Denied {
        /// The operation.
        operation: Box<Operation>,
        /// The reason.
        denial: Denial,
        /// What the user can do.
        hint: Option<String>,
    },
    /// The registry does not have the object.
    #[error("{}: {}", operation.brief(), self.reason())]
    NotFound {
        /// The operation.
        operation: Box<Operation>,
        /// The registry's response.
        refusal: Refusal,
    },
    /// The registry could not be reached, or failed, in every try.
    #[error("{}: {}", operation.brief(), self.reason())]
    Unavailable {
        /// The operation.
        operation: Box<Operation>,
        /// How the last try failed.
        fault: Fault,
        /// The number of tries.
        tries: Tries,
    },
    /// The registry throttled the request in every try.
    #[error("{}: {}", operation.brief(), self.reason())]
    Throttled {
        /// The operation.
        operation: Box<Operation>,
        /// The registry's last response.
        refusal: Refusal,
        /// The time in its `Retry-After` header, if there was one.
        retry_after: Option<Duration>,
        /// The number of tries.
        tries: Tries,
    },
    /// The registry broke the protocol, pointed to an unsafe URL, or refused a valid request.
    #[error("{}: {}", operation.brief(), self.reason())]
    Protocol {
        /// The operation.
        operation: Box<Operation>,
        /// What the registry did.
        violation: Violation,
    },
    /// The content does not match its descriptor or its digest.
    #[error("{}: {}", operation.brief(), self.reason())]
    BadData {
        /// The operation.
        operation: Box<Operation>,
        /// How the content differs.
        damage: Damage,
    },
    /// The settings are wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The content to be sent could not be read.
    #[error("cannot read the content to be sent")]
    Content(#[source] io::Error),
}

/// What was done, and on which object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    /// The verb and the kind of object, such as `fetch manifest`.
    pub action: &'static str,
    /// The object, such as a tag or a digest.
    pub object: String,
    /// The registry's name as users write it.
    pub registry: String,
    /// The repository's name.
    pub repository: String,
    /// Whether the object is the one that the reference of the image names.
    pub is_implied: bool,
}

/// The status and the text of a response that refuses a request. The text is escaped and cut to 300
/// characters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error code, such as `MANIFEST_UNKNOWN`. Empty if there was none.
    pub code: String,
    /// The message. Empty if there was none.
    pub message: String,
}

/// Why access is denied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denial {
    /// The registry asks for credentials, and no source has any.
    #[error("credentials are needed, and none were found{}", describe_tried(tried))]
    NoCredentials {
        /// The sources, each with the result of its lookup.
        tried: Vec<String>,
    },
    /// The proxy asks for credentials, or rejects those in its URL.
    #[error("the proxy asks for a user name and password, or rejects those in its URL")]
    Proxy,
    /// The registry refused the request.
    #[error("{refusal}{}", describe_tried(tried))]
    Refused {
        /// The response.
        refusal: Refusal,
        /// The sources of credentials, each with its result. Empty if the credentials are not the
        /// reason.
        tried: Vec<String>,
    },
    /// The token server refused the request.
    #[error(
        "the token server `{server}` answered {refusal}{}",
        describe_tried(tried)
    )]
    Token {
        /// The server's host, with its port.
        server: String,
        /// The response.
        refusal: Box<Refusal>,
        /// The sources of credentials, each with its result.
        tried: Vec<String>,
    },
}

/// Returns the list of credential sources for the end of a message.
pub(crate) fn describe_tried(tried: &[String]) -> String {
    if tried.is_empty() {
        String::new()
    } else {
        format!(" (tried: {})", tried.join("; "))
    }
}

/// Returns the hint for a certificate or a signature that is not valid at this time.
pub(crate) fn clock_hint() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the user compares it with another clock"
    )]
    let now = SystemTime::now();
    let now = httpdate::fmt_http_date(now);
    format!("the clock of this machine says {now}; set it if that is wrong")
}

impl RegistryError {
    /// Returns the cause of the failure, without the operation.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Denied {
                operation, denial, ..
            } => format!("denied: {}", denial.describe(operation)),
            Self::NotFound { refusal, .. } => format!("not found: {refusal}"),
            Self::Unavailable {
                operation,
                fault,
                tries,
            } => format!("{} ({tries})", fault.describe(operation)),
            Self::Throttled { refusal, tries, .. } => format!("throttled: {refusal} ({tries})"),
            Self::Protocol {
                operation,
                violation,
            } => violation.describe(operation),
            Self::BadData { operation, damage } => damage.describe(operation),
            Self::Configuration(_) | Self::Content(_) => self.to_string(),
        }
    }
}

impl Denial {
    /// Describes the denial of an operation, without the name of its registry.
    fn describe(&self, operation: &Operation) -> String {
        match self {
            Self::Token {
                server,
                refusal,
                tried,
            } if operation.is_registry(server) => {
                let tried = describe_tried(tried);
                format!("the token server answered {refusal}{tried}")
            }
            _ => self.to_string(),
        }
    }
}

impl Operation {
    /// Returns what was done and on which object, without the registry and the repository.
    pub(crate) fn brief(&self) -> String {
        if self.is_implied {
            self.action.to_owned()
        } else {
            format!("{} `{}`", self.action, self.object)
        }
    }

    /// Returns whether `host`, a host with its port, is the registry itself as users write it.
    pub(crate) fn is_registry(&self, host: &str) -> bool {
        self.registry.eq_ignore_ascii_case(host)
    }

    /// Returns the error for a violation of this operation.
    pub(crate) fn protocol(&self, violation: Violation) -> RegistryError {
        RegistryError::Protocol {
            operation: Box::new(self.clone()),
            violation,
        }
    }

    /// Returns the error for damaged content of this operation.
    pub(crate) fn bad_data(&self, damage: Damage) -> RegistryError {
        RegistryError::BadData {
            operation: Box::new(self.clone()),
            damage,
        }
    }

    /// Returns the error for a denial of this operation.
    pub(crate) fn denied(&self, denial: Denial, hint: Option<String>) -> RegistryError {
        RegistryError::Denied {
            operation: Box::new(self.clone()),
            denial,
            hint,
        }
    }

    /// Returns the error for a proxy that asks for credentials.
    pub(crate) fn denied_by_proxy(&self) -> RegistryError {
        let hint = "put name and password into the URL in HTTPS_PROXY, before the host";
        self.denied(Denial::Proxy, Some(hint.to_owned()))
    }

    /// Returns the error for the last fault of this operation.
    pub(crate) fn unavailable(&self, fault: Fault, tries: Tries) -> RegistryError {
        RegistryError::Unavailable {
            operation: Box::new(self.clone()),
            fault,
            tries,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} `{}` of {}/{}",
            self.action, self.object, self.registry, self.repository
        )
    }
}

impl Refusal {
    /// Returns whether the refusal is about a quota. Registries use the status 403 for both quotas
    /// and permissions.
    pub(crate) fn is_quota(&self) -> bool {
        let text = format!("{} {}", self.code, self.message).to_ascii_lowercase();
        text.contains("limitexceeded") || text.contains("limit exceeded") || text.contains("quota")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}
