//! The options of a client.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of a [`Client`](crate::Client).
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The registries that are used over plain HTTP.
    pub plain_http: PlainHttp,
    /// A credential file in the format of Docker's `config.json`. It is the first credential
    /// source.
    pub authfile: Option<PathBuf>,
    /// Files of certificates (PEM) that are trusted in addition to the system's.
    pub ca_files: Vec<PathBuf>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The time limits of the phases of a request.
    pub timeouts: Timeouts,
    /// The number of tries and the delays between them.
    pub retries: RetryPolicy,
    /// Over how many connections one blob is downloaded.
    pub connections: Connections,
}

/// Over how many connections one blob is downloaded. With more than one, it is downloaded in ranges
/// of 4 MiB, and one range for each connection is held in memory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Connections {
    /// Over one, and over more while its reader waits for bytes and they come faster over more: 6
    /// more at most, for all blobs of a registry together.
    #[default]
    Adaptive,
    /// Over this number.
    Fixed(NonZeroUsize),
}

/// The registries that are used over plain HTTP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PlainHttp {
    /// All registries. Credentials are still sent to other machines over TLS only.
    Always,
    /// Registries at loopback addresses.
    #[default]
    Loopback,
    /// No registry.
    Never,
}

/// The time limits of the phases of a request. A transfer as a whole has no limit.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From the lookup of the host name to the end of the TLS handshake.
    pub connect: Duration,
    /// From the request to the head of its response.
    pub first_byte: Duration,
    /// Between two chunks of a body that is received.
    pub idle: Duration,
    /// Between two chunks of a body that is sent.
    pub upload_stall: Duration,
    /// From the end of an upload to the registry's response. A registry may compute the digest of
    /// tens of gigabytes first.
    pub upload_response: Duration,
    /// From the start of a credential helper to its end.
    pub helper: Duration,
}

/// The number of tries of a request and the delays between them.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Number of tries of a request with transient failures, at least 1.
    pub tries: u32,
    /// Longest delay after the first transient failure. It doubles with every further failure, and
    /// a random delay between half of it and all of it is chosen.
    pub base: Duration,
    /// Longest delay after a transient failure.
    pub cap: Duration,
    /// Number of tries of a request that is throttled, at least 1.
    pub throttled_tries: u32,
    /// Delay after the first throttled try without `Retry-After`. It doubles with every further
    /// one, and up to 25 % are added at random.
    pub throttled_base: Duration,
    /// Longest delay after a throttled try without `Retry-After`.
    pub throttled_cap: Duration,
    /// Longest `Retry-After` that is obeyed. A longer one counts as none.
    pub longest_retry_after: Duration,
    /// Number of upload sessions for one blob, at least 1.
    pub upload_sessions: u32,
    /// Number of interruptions of a body in a row, with less than 1 MiB received between them,
    /// after which the download fails.
    pub max_fruitless_interruptions: u32,
    /// Longest delay before an interrupted body is resumed.
    pub resume_cap: Duration,
    /// The budget for all retries of a run. The retry of a transient failure takes 14 from it, that
    /// of a throttled request 5. A request that succeeds puts back what its retries took, so that
    /// only an outage spends the budget. The run then fails within minutes.
    pub budget: u32,
}

impl RetryPolicy {
    /// Returns the default policy with its delays scaled so that `base` is the first one.
    pub fn from_first_wait(base: Duration) -> Self {
        Self {
            base,
            cap: base.saturating_mul(80),
            throttled_base: base.saturating_mul(4),
            throttled_cap: base.saturating_mul(240),
            resume_cap: base.saturating_mul(20),
            tries: 6,
            throttled_tries: 8,
            longest_retry_after: Duration::from_mins(5),
            upload_sessions: 4,
            max_fruitless_interruptions: 5,
            budget: 100,
        }
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            plain_http: PlainHttp::default(),
            authfile: None,
            ca_files: Vec::new(),
            user_agent: concat!("soci-registry/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            retries: RetryPolicy::default(),
            connections: Connections::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            upload_stall: Duration::from_mins(1),
            upload_response: Duration::from_mins(5),
            helper: Duration::from_secs(30),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::from_first_wait(Duration::from_millis(250))
    }
}
