//! Why a registry could not do what was asked, sorted by who has to act.

mod configuration;
mod fault;
pub(crate) mod sanitize;
mod violation;

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use soci_document::{Classify, Exit};

pub use configuration::ConfigurationError;
pub use fault::{Fault, Tries};
pub use violation::{Damage, Violation};

/// Why an operation on a registry failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry, or the token server that it names, does not let us in.
    #[error("{operation}: denied: {denial}")]
    Denied {
        /// What was being done.
        operation: Box<Operation>,
        /// Who refused what.
        denial: Denial,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The registry does not hold it.
    #[error("{operation}: not found: {refusal}")]
    NotFound {
        /// What was being done.
        operation: Box<Operation>,
        /// The registry's answer.
        refusal: Refusal,
    },
    /// The registry could not be reached, or failed, in every try.
    #[error("{operation}: {fault} ({tries})")]
    Unavailable {
        /// What was being done.
        operation: Box<Operation>,
        /// How the last try failed.
        fault: Fault,
        /// How often it was tried.
        tries: Tries,
    },
    /// The registry asked us to come back later, in every try.
    #[error("{operation}: throttled: {refusal} ({tries})")]
    Throttled {
        /// What was being done.
        operation: Box<Operation>,
        /// The registry's last answer.
        refusal: Refusal,
        /// How long it asked to wait, where it said.
        retry_after: Option<Duration>,
        /// How often it was tried.
        tries: Tries,
    },
    /// The registry broke the protocol, asked for something unsafe, or refused what the protocol allows.
    #[error("{operation}: {violation}")]
    Protocol {
        /// What was being done.
        operation: Box<Operation>,
        /// What the registry did.
        violation: Violation,
    },
    /// The content is not what its descriptor or its digest says.
    #[error("{operation}: {damage}")]
    BadData {
        /// What was being done.
        operation: Box<Operation>,
        /// How it differs.
        damage: Damage,
    },
    /// Our own settings are at fault.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The content to be sent could not be read here.
    #[error("cannot read the content to be sent")]
    Content(#[source] io::Error),
}

/// Who has to act on an error, and so with what status a program ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorClass {
    /// Content is damaged or over a limit (65).
    BadData,
    /// Settings are at fault (78).
    Configuration,
    /// Credentials or permissions are missing (77).
    Denied,
    /// Local content could not be read (74).
    Io,
    /// It does not exist (80).
    NotFound,
    /// The registry broke the protocol or refused (76).
    Protocol,
    /// Throttled; a later run may do it (75).
    Throttled,
    /// Not reachable after all retries (69).
    Unavailable,
}

/// What was being done, and on what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    /// The verb with the kind of its object, such as `fetch manifest`.
    pub action: &'static str,
    /// The tag, the digest, or whatever else names the object.
    pub object: String,
    /// The registry as users write it.
    pub registry: String,
    /// The repository's name.
    pub repository: String,
}

/// A registry's refusal in its own words: escaped, and cut to a printable length.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error's code, such as `MANIFEST_UNKNOWN`. Empty where there was none.
    pub code: String,
    /// The error's message. Empty where there was none.
    pub message: String,
}

/// Who does not let us in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denial {
    /// The AWS credential chain, or the API behind it, failed.
    #[error("no ECR token from AWS: {reason}")]
    Aws {
        /// What the AWS SDK says.
        reason: String,
    },
    /// The registry wants credentials, and no source has any.
    #[error("credentials are needed, and none were found ({})", tried.join("; "))]
    NoCredentials {
        /// The sources that were asked, each with what came of it.
        tried: Vec<String>,
    },
    /// The proxy on the way wants credentials, or others.
    #[error("the proxy wants credentials, or others")]
    Proxy,
    /// The registry said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The token server said no.
    #[error("token server `{server}`: {refusal}")]
    Token {
        /// The server's host.
        server: String,
        /// Its answer.
        refusal: Refusal,
    },
}

impl RegistryError {
    /// Returns who has to act.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Denied { .. } => ErrorClass::Denied,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::Unavailable { .. } => ErrorClass::Unavailable,
            Self::Throttled { .. }
            | Self::Protocol {
                violation: Violation::Lost { .. },
                ..
            } => ErrorClass::Throttled,
            Self::Protocol { .. } => ErrorClass::Protocol,
            Self::BadData { .. } => ErrorClass::BadData,
            Self::Configuration(_) => ErrorClass::Configuration,
            Self::Content(_) => ErrorClass::Io,
        }
    }
}

impl Classify for RegistryError {
    fn exit(&self) -> Exit {
        match self.class() {
            ErrorClass::BadData => Exit::BadData,
            ErrorClass::Configuration => Exit::Configuration,
            ErrorClass::Denied => Exit::Denied,
            ErrorClass::Io => Exit::Io,
            ErrorClass::NotFound => Exit::NotFound,
            ErrorClass::Protocol => Exit::Protocol,
            ErrorClass::Throttled => Exit::TryAgain,
            ErrorClass::Unavailable => Exit::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { hint, .. } => hint.clone(),
            Self::Configuration(ConfigurationError::Http { reason })
                if reason.contains("No CA certificates") =>
            {
                Some("install the system's certificates (ca-certificates), or name a file of them with SSL_CERT_FILE".to_owned())
            }
            Self::NotFound { refusal, operation } if refusal.code == "NAME_UNKNOWN" => {
                Some(format!(
                    "create the repository `{}/{}`, or check its name",
                    operation.registry, operation.repository
                ))
            }
            Self::Unavailable {
                fault: Fault::Tls { reason, .. },
                ..
            } => tls_hint(reason),
            _ => None,
        }
    }
}

/// Returns what to do about a connection that is not secure.
fn tls_hint(reason: &str) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if reason == crate::http::error::SPEAKS_TLS {
        return Some(
            "do without --plain-http, or on this machine with --plain-http=false".to_owned(),
        );
    }
    if says(&["UnknownIssuer", "CaUsedAsEndEntity"]) {
        return Some("name the certificate of a private authority with --ca-file".to_owned());
    }
    if says(&["certificate expired", "not valid yet"]) {
        return Some(clock_hint());
    }
    says(&["InvalidContentType"])
        .then(|| "the server does not speak TLS; where that is meant, use --plain-http".to_owned())
}

/// Returns what to say where a certificate or a signature is out of its time.
pub(crate) fn clock_hint() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "a person is to compare it with a clock on the wall"
    )]
    let now = SystemTime::now();
    let now = httpdate::fmt_http_date(now);
    format!("the clock of this machine says {now}; set it if that is wrong")
}

impl Operation {
    pub(crate) fn protocol(&self, violation: Violation) -> RegistryError {
        RegistryError::Protocol {
            operation: Box::new(self.clone()),
            violation,
        }
    }

    pub(crate) fn bad_data(&self, damage: Damage) -> RegistryError {
        RegistryError::BadData {
            operation: Box::new(self.clone()),
            damage,
        }
    }

    pub(crate) fn denied(&self, denial: Denial, hint: Option<String>) -> RegistryError {
        RegistryError::Denied {
            operation: Box::new(self.clone()),
            denial,
            hint,
        }
    }

    pub(crate) fn denied_by_proxy(&self) -> RegistryError {
        let hint = "put name and password into the proxy's URL, as in HTTPS_PROXY=http://name:password@host:port";
        self.denied(Denial::Proxy, Some(hint.to_owned()))
    }

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
    /// Says whether a limit of the account is reached, which registries report as if it were a permission.
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
