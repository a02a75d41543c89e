//! Failures of the network and of servers.

use std::fmt;
use std::time::Duration;

use super::Refusal;

/// How the last try of a request failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The connection could not be made, or broke.
    #[error("connection to `{host}` failed: {reason}")]
    Connection {
        /// The host, with its port.
        host: String,
        /// The cause, as the operating system or the HTTP library describes it.
        reason: String,
    },
    /// The connection broke or stalled within a body.
    #[error("`{host}` broke off after {received} of {expected} bytes: {reason}")]
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
    #[error("host name `{host}` could not be resolved: {reason}")]
    Name {
        /// The host, with its port.
        host: String,
        /// The cause, as the resolver describes it.
        reason: String,
    },
    /// The server answered with an error.
    #[error("`{host}` answered {refusal}")]
    Status {
        /// The host, with its port.
        host: String,
        /// The response.
        refusal: Refusal,
    },
    /// The server sent nothing for too long.
    #[error("`{host}` gave no {phase} within {} s", limit.as_secs_f64())]
    Timeout {
        /// The host, with its port.
        host: String,
        /// What the client waited for, such as `response`.
        phase: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// TLS failed. The request is not tried again.
    #[error("no secure connection to `{host}`: {reason}")]
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

impl Fault {
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
