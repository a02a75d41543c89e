//! What a client can be told.

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
    /// The first wait, doubled with every try, of which a random part is waited.
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
        Self {
            tries: 6,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(20),
            throttled_tries: 8,
            throttled_base: Duration::from_secs(1),
            throttled_cap: Duration::from_mins(1),
            longest_retry_after: Duration::from_mins(5),
            upload_sessions: 4,
            fruitless_cuts: 5,
        }
    }
}
