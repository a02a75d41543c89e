//! Faults that may pass, and how often they were met.

use std::fmt;
use std::time::Duration;

use super::Refusal;

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

/// How often something was tried, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tries {
    /// At least 1.
    pub count: u32,
    /// From the first try to giving up.
    pub elapsed: Duration,
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
