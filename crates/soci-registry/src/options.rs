//! What a client can be told.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of a [`Client`](crate::Client).
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where plain HTTP is spoken.
    pub plain_http: PlainHttp,
    /// A file with credentials in the form of Docker's `config.json`, asked before all other sources.
    pub authfile: Option<PathBuf>,
    /// PEM files with certificates that are trusted besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// How long each phase of a request may take.
    pub timeouts: Timeouts,
    /// What is tried again, how often, after how long.
    pub retries: RetryPolicy,
    /// Over how many connections one blob comes. With more than one it comes in ranges of 4 MiB, and as many of them are
    /// in memory.
    pub connections: NonZeroUsize,
}

/// Where plain HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PlainHttp {
    /// With every registry. Credentials still leave this machine over TLS only.
    Always,
    /// With registries on this machine only.
    #[default]
    Loopback,
    /// Nowhere.
    Never,
}

/// How long each phase of a request may take. There is no limit for a whole transfer.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// From the name's resolution to the end of the TLS handshake.
    pub connect: Duration,
    /// From the request to the head of its reply.
    pub first_byte: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// Between two pieces of an upload that the registry takes.
    pub upload_stall: Duration,
    /// From the end of an upload to the registry's reply, since it may digest tens of gigabytes first.
    pub upload_reply: Duration,
    /// The whole run of a credential helper.
    pub helper: Duration,
}

/// What is tried again, how often, after how long.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Tries of a request that fails for a passing reason. At least 1.
    pub tries: u32,
    /// The first wait, doubled with every try, of which half or more is waited.
    pub base: Duration,
    /// The longest such wait.
    pub cap: Duration,
    /// Tries of a request that is throttled. At least 1.
    pub throttled_tries: u32,
    /// The first wait after a throttled try without `Retry-After`, doubled with every try.
    pub throttled_base: Duration,
    /// The longest such wait.
    pub throttled_cap: Duration,
    /// The longest `Retry-After` that is obeyed.
    pub longest_retry_after: Duration,
    /// Upload sessions for one blob. At least 1.
    pub upload_sessions: u32,
    /// How often a body may break off in a row with less than 1 MiB gained each time.
    pub fruitless_cuts: u32,
    /// The longest wait before a body that broke off is resumed.
    pub cut_cap: Duration,
    /// What all retries of a run may cost: 14 for one of a passing fault, 5 for one of a throttle. What was spent on a
    /// request comes back when it succeeds, so that only an outage uses it up, and then ends in minutes.
    pub budget: u32,
}

impl RetryPolicy {
    /// Returns the default policy with other waits, all in proportion to the first one.
    pub fn from_first_wait(base: Duration) -> Self {
        Self {
            base,
            cap: base.saturating_mul(80),
            throttled_base: base.saturating_mul(4),
            throttled_cap: base.saturating_mul(240),
            cut_cap: base.saturating_mul(20),
            tries: 6,
            throttled_tries: 8,
            longest_retry_after: Duration::from_mins(5),
            upload_sessions: 4,
            fruitless_cuts: 5,
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
            connections: NonZeroUsize::MIN,
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
            upload_reply: Duration::from_mins(5),
            helper: Duration::from_secs(30),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::from_first_wait(Duration::from_millis(250))
    }
}
