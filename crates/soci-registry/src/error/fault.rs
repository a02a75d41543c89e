//! Failures of the network and of servers.

use std::fmt;
use std::time::Duration;

use super::{Operation, Refusal};

/// How the last try of a request failed.
///
/// The text names the host. [`RegistryError`](super::RegistryError) leaves it out if it is that of
/// the registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The connection could not be made, or broke.
    Connection {
        /// The host, with its port.
        host: String,
        /// The cause, as the operating system or the HTTP library describes it.
        reason: String,
    },
    /// The connection broke or stalled within a body.
    Interrupted {
        /// The host, with its port.
        host: String,
        /// Bytes received, from the start of the content.
        received: u64,
        /// Length of the content, in bytes.
        expected: u64,
        /// The cause.
        reason: String,
    },
    /// The host name could not be resolved.
    Name {
        /// The host, with its port.
        host: String,
        /// The cause, as the resolver describes it.
        reason: String,
    },
    /// The server answered with an error.
    Status {
        /// The host, with its port.
        host: String,
        /// The response.
        refusal: Refusal,
    },
    /// The server sent nothing for too long.
    Timeout {
        /// The host, with its port.
        host: String,
        /// What the client waited for, such as `response`.
        phase: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// TLS failed. The request is not tried again.
    Tls {
        /// The host, with its port.
        host: String,
        /// The kind of failure.
        failure: TlsFailure,
        /// The cause, as rustls describes it.
        reason: String,
    },
}

/// The kind of a TLS failure, which decides the hint to the user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsFailure {
    /// The certificate is not signed by an authority that this machine trusts.
    UntrustedIssuer,
    /// The certificate has expired or is not valid yet.
    OutsideValidity,
    /// The server does not speak TLS.
    PeerSpeaksPlainText,
    /// The client used plain HTTP, and the server may want TLS.
    PeerRefusesPlainHttp,
    /// Any other failure.
    Other,
}

/// The number of tries and their duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tries {
    /// Number of tries, at least 1.
    pub count: u32,
    /// Time from the start of the first try to the end of the last one.
    pub elapsed: Duration,
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&format!("`{}`", self.host())))
    }
}

impl Fault {
    /// Describes the fault of an operation, without the name of its registry.
    pub(crate) fn describe(&self, operation: &Operation) -> String {
        if operation.is_registry(self.host()) {
            self.text("the registry")
        } else {
            self.to_string()
        }
    }

    /// Describes the fault without the name of the host, beside a URL that holds it.
    pub(crate) fn describe_without_host(&self) -> String {
        self.text("the server")
    }

    /// Returns the host with its port, or the name of a service.
    fn host(&self) -> &str {
        match self {
            Self::Connection { host, .. }
            | Self::Interrupted { host, .. }
            | Self::Name { host, .. }
            | Self::Status { host, .. }
            | Self::Timeout { host, .. }
            | Self::Tls { host, .. } => host,
        }
    }

    /// Returns the text, which calls the host `server`.
    fn text(&self, server: &str) -> String {
        match self {
            Self::Connection { reason, .. } => format!("connection to {server} failed: {reason}"),
            Self::Interrupted {
                received,
                expected,
                reason,
                ..
            } => format!("{server} broke off after {received} of {expected} bytes: {reason}"),
            Self::Name { reason, .. } => {
                format!("the name of {server} could not be resolved: {reason}")
            }
            Self::Status { refusal, .. } => format!("{server} answered {refusal}"),
            Self::Timeout { phase, limit, .. } => {
                format!("{server} gave no {phase} within {} s", limit.as_secs_f64())
            }
            Self::Tls { reason, .. } => format!("no secure connection to {server}: {reason}"),
        }
    }

    /// Returns the fault of a server that does not answer plain HTTP.
    pub(crate) fn not_plain_http(host: String) -> Self {
        Self::Tls {
            host,
            failure: TlsFailure::PeerRefusesPlainHttp,
            reason: "it does not speak plain HTTP, but perhaps TLS".to_owned(),
        }
    }
}

impl Tries {
    /// Returns one try that took no time.
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
