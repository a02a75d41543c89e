//! What all connections of a registry share.

use std::sync::{
    Arc, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use rustls::ServerConfig;

use super::{
    log::Log, rate_limit::RateLimit, rule::Rules, setup::Setup, storage::Storage, tokens::Tokens,
};

/// The state of a running registry. The modules for each kind of request add methods to it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) setup: Setup,
    /// Scheme, address and port.
    pub(super) url: String,
    /// How the server side of TLS is configured, for a registry with TLS.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) rules: Rules,
    pub(super) tokens: Tokens,
    pub(super) manifest_limit: Option<RateLimit>,
    pub(super) log: Log,
    stopped: AtomicBool,
}

impl State {
    pub(super) fn new(mut setup: Setup, url: String, tls: Option<Arc<ServerConfig>>) -> Self {
        Self {
            url,
            tls,
            rules: Rules::new(std::mem::take(&mut setup.rules)),
            tokens: Tokens::default(),
            manifest_limit: setup.manifest_puts.map(RateLimit::per_second),
            log: Log::new(),
            stopped: AtomicBool::new(false),
            setup,
        }
    }

    pub(super) fn storage(&self) -> MutexGuard<'_, Storage> {
        self.setup.storage.lock().expect("no panic")
    }

    /// Makes all connections end at the next occasion.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
