//! What the places of one run share: the runtime and the registry's client.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use soci_cli::{NetworkArgs, RegistryArgs};
use soci_registry::{Client, ClientOptions, PlainHttp, RetryPolicy, Timeouts};
use tokio::runtime::{Builder, Runtime};

use crate::TransportError;

/// The name under which the tools introduce themselves to registries.
const USER_AGENT: &str = concat!("soci-tools/", env!("CARGO_PKG_VERSION"));

/// How often a request is tried that the run can do without.
const TRIES_ASIDE: u32 = 2;

/// What the places of one run share. The client, and the runtime that drives it, start when a registry is first needed.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    options: ClientOptions,
    network: OnceLock<Network>,
}

/// The runtime and the client that runs on it.
pub(crate) struct Network {
    runtime: Arc<Runtime>,
    client: Client,
}

impl Session {
    /// Returns a session with the options of the command line.
    pub fn new(args: &RegistryArgs) -> Self {
        let options = ClientOptions {
            plain_http: match args.plain_http {
                None => PlainHttp::Loopback,
                Some(true) => PlainHttp::Always,
                Some(false) => PlainHttp::Never,
            },
            authfile: args.authfile.clone(),
            ca_files: args.ca_file.clone(),
            user_agent: USER_AGENT.to_owned(),
            timeouts: timeouts(&args.network),
            retries: RetryPolicy::from_first_wait(args.network.retry_wait.0),
            connections: args.network.connections,
        };
        Self(Arc::new(Shared {
            options,
            network: OnceLock::new(),
        }))
    }

    /// Returns a session for requests that the run can do without: they are tried twice at most, and what that costs is not
    /// taken from what the retries of this session may cost. All else is shared.
    ///
    /// # Errors
    ///
    /// Fails where the client's options are malformed.
    pub fn aside(&self) -> Result<Self, TransportError> {
        let Network { runtime, client } = self.network()?;
        let retries = RetryPolicy {
            tries: TRIES_ASIDE,
            throttled_tries: TRIES_ASIDE,
            fruitless_cuts: TRIES_ASIDE,
            ..self.0.options.retries.clone()
        };
        let network = Network {
            runtime: Arc::clone(runtime),
            client: client.with_retries(retries),
        };
        Ok(Self(Arc::new(Shared {
            options: self.0.options.clone(),
            network: OnceLock::from(network),
        })))
    }

    /// Returns the registry's client.
    pub(crate) fn client(&self) -> Result<&Client, TransportError> {
        self.network().map(|network| &network.client)
    }

    /// Runs `future` to its end. The client must have been asked for before.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> Result<F::Output, TransportError> {
        Ok(self.network()?.runtime.block_on(future))
    }

    fn network(&self) -> Result<&Network, TransportError> {
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
        let network = Network {
            runtime: Arc::new(runtime),
            client,
        };
        let network = self.0.network.get_or_init(|| network);
        let session = self.clone();
        soci_cli::on_signal(move || {
            // Where there is no network, there is nothing to give back.
            let client = session.client();
            drop(client.map(|client| session.block_on(client.cancel_uploads())));
        });
        Ok(network)
    }
}

/// Returns the limits that the command line sets. Those for an upload keep their proportion.
fn timeouts(network: &NetworkArgs) -> Timeouts {
    let upload_stall = network.upload_timeout.0;
    Timeouts {
        connect: network.connect_timeout.0,
        first_byte: network.first_byte_timeout.0,
        idle: network.idle_timeout.0,
        upload_stall,
        upload_reply: upload_stall.saturating_mul(5),
        helper: network.helper_timeout.0,
    }
}
