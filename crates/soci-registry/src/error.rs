//! Why a registry could not do what was asked, sorted by who has to act.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use soci_oci::Digest;

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

/// How often something was tried, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tries {
    /// At least 1.
    pub count: u32,
    /// From the first try to giving up.
    pub elapsed: Duration,
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

/// How a try failed that may work another time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// No connection, or a broken one.
    #[error("connection to `{host}` failed: {reason}")]
    Connection {
        /// The host.
        host: String,
        /// What the operating system says.
        reason: String,
    },
    /// The body ended, broke or stalled before its end.
    #[error("`{host}` broke off after {received} of {expected} bytes: {reason}")]
    Cut {
        /// The host.
        host: String,
        /// Bytes that came, from the start of the content.
        received: u64,
        /// Bytes that the whole content has.
        expected: u64,
        /// How it ended.
        reason: String,
    },
    /// The host's name has no address.
    #[error("host name `{host}` could not be resolved: {reason}")]
    Name {
        /// The host.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// A server error.
    #[error("`{host}` answered {refusal}")]
    Status {
        /// The host.
        host: String,
        /// Its answer.
        refusal: Refusal,
    },
    /// Nothing came for too long.
    #[error("`{host}` gave no {phase} within {} s", limit.as_secs_f64())]
    Timeout {
        /// The host.
        host: String,
        /// What was waited for.
        phase: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// No secure connection. Not tried again.
    #[error("no secure connection to `{host}`: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong.
        reason: String,
    },
}

/// What a registry must not do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    /// It wants credentials in a way that this client does not know.
    #[error("no authentication challenge that is understood, expected Basic or Bearer")]
    Challenge,
    /// The range of a partial reply is not the one that was asked for.
    #[error("asked for bytes {expected} of {size}, got `{found}`")]
    ContentRange {
        /// The first byte that was asked for.
        expected: u64,
        /// Bytes of the whole content.
        size: u64,
        /// The `Content-Range` header.
        found: String,
    },
    /// It stored what was sent under another digest.
    #[error("stored as `{found}`, expected `{expected}`")]
    Digest {
        /// The digest of what was sent.
        expected: Digest,
        /// What the registry says.
        found: String,
    },
    /// A document is malformed.
    #[error("{what} is malformed: {reason}")]
    Document {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A header that must be there is missing or malformed.
    #[error("{status} without a usable `{name}` header")]
    Header {
        /// The reply's HTTP status.
        status: u16,
        /// The header's name.
        name: &'static str,
    },
    /// A reply has more than any honest one.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        limit: u64,
    },
    /// Others changed the same tag in every round.
    #[error("tag `{tag}` was changed by others in each of {rounds} rounds")]
    Lost {
        /// The tag.
        tag: String,
        /// How often it was tried.
        rounds: u32,
    },
    /// It refused, and asking again will not help.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// It points to a place where a registry has no business.
    #[error("{what} to `{target}` refused: {reason}")]
    Target {
        /// A redirect, a token server, an upload location.
        what: &'static str,
        /// The place, without query and credentials.
        target: String,
        /// Why it is not visited.
        reason: &'static str,
    },
}

/// How content differs from what was promised.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Damage {
    /// The digest is another.
    #[error("expected digest `{expected}`, found `{found}`")]
    Digest {
        /// The digest that was promised.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The two statements of a manifest's type differ.
    #[error("served as `{served}`, but says of itself that it is `{found}`")]
    MediaType {
        /// The `Content-Type` header.
        served: String,
        /// The document's `mediaType`.
        found: String,
    },
    /// The length is another.
    #[error("expected {expected} bytes, found {found}")]
    Size {
        /// The length that was promised.
        expected: u64,
        /// The length that came, or that was announced.
        found: u64,
    },
    /// It is larger than anything of its kind may be.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}

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

    /// Returns what to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { hint, .. } => hint.clone(),
            Self::NotFound { refusal, operation } if refusal.code == "NAME_UNKNOWN" => {
                Some(format!(
                    "create the repository `{}`, or check its name",
                    operation.repository
                ))
            }
            Self::Unavailable {
                fault: Fault::Tls { .. },
                ..
            } => Some("name the certificate of a private authority with --ca-file".to_owned()),
            _ => None,
        }
    }
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

impl Tries {
    /// Returns one try, just made.
    pub(crate) const fn once() -> Self {
        Self {
            count: 1,
            elapsed: Duration::ZERO,
        }
    }
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.count == 1 { "try" } else { "tries" };
        write!(
            f,
            "{} {noun}, {:.1} s",
            self.count,
            self.elapsed.as_secs_f64()
        )
    }
}
