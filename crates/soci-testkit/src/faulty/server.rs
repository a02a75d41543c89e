//! The running registry, as tests see it.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tempfile::TempDir;

use super::{
    connection,
    log::{self, Entry},
    rule::{Fault, Rule},
    serve,
    setup::{Habit, Setup},
    state::State,
};
use crate::certificate;

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub struct Faulty {
    pub(super) state: Arc<State>,
    address: SocketAddr,
    directory: TempDir,
    acceptor: Option<JoinHandle<()>>,
}

impl Setup {
    /// Starts the registry. It accepts connections when this returns.
    pub fn start(self) -> Faulty {
        let directory = TempDir::with_prefix("soci-faulty-").expect("a temporary directory");
        let tls = (!self.names.is_empty()).then(|| {
            let issued = certificate::issue(&self.names, self.flaw, self.trusted);
            fs::write(directory.path().join("ca.crt"), &issued.trusted_pem).expect("a new file");
            connection::server_config(&issued)
        });
        let listener = TcpListener::bind((self.address, self.port)).expect("a free port");
        let address = listener.local_addr().expect("the port that was bound");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State::new(self, format!("{scheme}://{address}"), tls));
        let shared = Arc::clone(&state);
        let acceptor = thread::spawn(move || serve::accept_connections(&shared, &listener));
        Faulty {
            state,
            address,
            directory,
            acceptor: Some(acceptor),
        }
    }

    /// Shares its content with another registry: a change of one is a change of both.
    pub fn sharing(mut self, other: &Faulty) -> Self {
        self.storage = Arc::clone(&other.state.setup.storage);
        self
    }

    /// Redirects requests for blobs to presigned URLs at another registry, whose content it shares.
    pub fn presigned_at(self, other: &Faulty) -> Self {
        let shared = self.sharing(other).habit(Habit::PresignedBlobs);
        Self {
            presigned_base: Some(other.url()),
            ..shared
        }
    }
}

impl Faulty {
    /// Starts a registry that follows the specification, has the referrers API, and needs no
    /// credentials.
    pub fn start() -> Self {
        Self::setup().start()
    }

    /// Returns the setup of such a registry, for the caller to change and start.
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// Returns the registry's host as it is written in a reference: `127.0.0.1:PORT` or
    /// `[::1]:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns scheme and host.
    pub fn url(&self) -> String {
        self.state.url.clone()
    }

    /// Returns the file with the certificate to trust, for a registry with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Adds a rule after the existing ones.
    pub fn rule(&self, rule: Rule) {
        self.state.rules.add(rule);
    }

    /// Applies a fault to all requests with these methods and paths; see
    /// [`Request::is`](super::Request::is).
    pub fn fault(&self, methods: &str, glob: &str, fault: Fault) {
        self.rule(Rule::on(methods, glob, fault));
    }

    /// Removes all rules.
    pub fn clear_rules(&self) {
        self.state.rules.clear();
    }

    /// Makes all issued bearer tokens invalid.
    pub fn expire_tokens(&self) {
        self.state.tokens.expire();
    }

    /// Returns how many bearer tokens were issued.
    pub fn tokens_given(&self) -> usize {
        self.state.tokens.count()
    }

    /// Returns all requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Entry> {
        self.state.log.entries()
    }

    /// Removes all requests from the log.
    pub fn clear_requests(&self) {
        self.state.log.clear();
    }

    /// Returns the requests with these methods and paths; see [`Request::is`](super::Request::is).
    pub fn requests_to(&self, methods: &str, glob: &str) -> Vec<Entry> {
        let mut entries = self.requests();
        entries.retain(|entry| entry.request.is(methods, glob));
        entries
    }

    /// Returns how many requests with these methods and paths were received.
    pub fn count(&self, methods: &str, glob: &str) -> usize {
        self.requests_to(methods, glob).len()
    }

    /// Returns how many bytes of response bodies were sent for requests with these methods and
    /// paths.
    pub fn bytes_sent(&self, methods: &str, glob: &str) -> usize {
        let entries = self.requests_to(methods, glob);
        entries.iter().map(|entry| entry.sent).sum()
    }

    /// Returns one line for each request.
    pub fn log(&self) -> String {
        log::format_entries(&self.requests())
    }

    /// Waits until all connections are closed, which happens soon after their clients have exited.
    #[track_caller]
    pub fn settle(&self) {
        self.state.log.wait_until_idle();
    }

    /// Waits until `condition` holds for the requests so far. Panics if it does not hold within a
    /// minute.
    #[track_caller]
    pub fn wait_until(&self, condition: impl Fn(&[Entry]) -> bool) {
        self.state.log.wait_until(condition);
    }
}

impl Drop for Faulty {
    #[expect(
        clippy::print_stderr,
        reason = "libtest captures it, and shows it if the test fails"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("requests to the registry {}:\n{}", self.host(), self.log());
        }
        self.state.stop();
        // A connection wakes the accepting thread, which then frees the port.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}
