//! What all requests of one run share: the registry client and the runtime that drives it.

use std::sync::{Arc, OnceLock};

use soci_oci::Reference;
use soci_registry::{Client, ClientOptions, RetryPolicy};
use tokio::runtime::{Builder, Runtime};

use crate::archive_cache::ArchiveCache;
use crate::error::TransportError;

/// How often an optional request is tried.
const OPTIONAL_TRIES: u32 = 2;

/// What all requests of one run share. The client and its runtime are created when a registry is
/// first needed. Cheap to clone.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    options: ClientOptions,
    network: OnceLock<Network>,
    archives: ArchiveCache,
    docker_archives: ArchiveCache,
}

/// The registry client, and the runtime that drives its requests.
pub(crate) struct Network {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) client: Client,
}

impl Session {
    /// Returns a session whose registry client will have the options `options`.
    pub fn new(options: ClientOptions) -> Self {
        Self(Arc::new(Shared {
            options,
            network: OnceLock::new(),
            archives: ArchiveCache::default(),
            docker_archives: ArchiveCache::default(),
        }))
    }

    /// Returns a session for requests that the run can do without. Each is tried twice, and their
    /// retries do not count against the budget of this session's retries. Connections, tokens and
    /// credentials are shared.
    ///
    /// # Errors
    ///
    /// Returns an error if the options of the registry client are malformed.
    pub fn for_optional_requests(&self) -> Result<Self, TransportError> {
        let Network { runtime, client } = self.network()?;
        let retries = RetryPolicy {
            tries: OPTIONAL_TRIES,
            throttled_tries: OPTIONAL_TRIES,
            max_fruitless_interruptions: OPTIONAL_TRIES,
            ..self.0.options.retries.clone()
        };
        let network = Network {
            runtime: Arc::clone(runtime),
            client: client.with_retries(retries),
        };
        Ok(Self(Arc::new(Shared {
            options: self.0.options.clone(),
            network: OnceLock::from(network),
            archives: ArchiveCache::default(),
            docker_archives: ArchiveCache::default(),
        })))
    }

    /// Makes the registry of a reference the only one that gets `SOCI_USERNAME` and
    /// `SOCI_PASSWORD`, unless `SOCI_REGISTRY` or an earlier call has named another one. A
    /// reference to a layout or archive changes nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the options of the registry client, or variables for it, are malformed.
    pub fn claim_password_for(&self, reference: &Reference) -> Result<(), TransportError> {
        if let Reference::Registry(reference) = reference {
            self.network()?.client.claim_password_for(reference);
        }
        Ok(())
    }

    /// Cancels the uploads that are open, so that the registry need not keep their sessions. For a
    /// process that is about to end; a failure is ignored, since a registry drops an old session by
    /// itself.
    pub fn cancel_uploads(&self) {
        if let Some(Network { runtime, client }) = self.0.network.get() {
            runtime.block_on(client.cancel_uploads());
        }
    }

    /// Returns the archive of a layout that was opened last.
    pub(crate) fn archives(&self) -> &ArchiveCache {
        &self.0.archives
    }

    /// Returns the archive of Docker that was opened last.
    pub(crate) fn docker_archives(&self) -> &ArchiveCache {
        &self.0.docker_archives
    }

    /// Returns the registry client, which is created on the first call.
    pub(crate) fn network(&self) -> Result<&Network, TransportError> {
        if let Some(network) = self.0.network.get() {
            return Ok(network);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(TransportError::Runtime)?;
        let client = {
            let _entered = runtime.enter();
            Client::new(self.0.options.clone())?
        };
        // Another thread may have been faster; its client is then used, and this one is dropped.
        Ok(self.0.network.get_or_init(|| Network {
            runtime: Arc::new(runtime),
            client,
        }))
    }
}
