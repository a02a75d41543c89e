//! A registry in this process that misbehaves on purpose, and remembers what it was asked.
//!
//! Left alone it keeps to the distribution specification. [`Setup`] gives it the lawful habits of other registries,
//! such as those of ECR; a [`Rule`] lets a [`Fault`] befall some of its requests. All paths can be befallen, those that
//! give tokens and those of presigned URLs too. [`Faulty::requests`] tells what came, and what really went out.

mod access;
mod blobs;
mod bucket;
mod contents;
mod holdings;
mod log;
mod manifests;
mod place;
mod reply;
mod request;
mod rule;
mod serve;
mod setup;
mod storage;
mod uploads;
mod wire;

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustls::ServerConfig;
use tempfile::TempDir;

use self::{access::Tokens, bucket::Bucket, log::Log, place::Place, rule::Rules, storage::Storage};
pub use self::{
    contents::Contents,
    log::Entry,
    reply::Reply,
    request::Request,
    rule::{Fault, Rule},
    serve::FLIPPED,
    setup::{Habit, Setup},
    storage::Manifest,
};
use crate::certificate;

/// A registry that runs until it is dropped.
#[derive(Debug)]
pub struct Faulty {
    shared: Arc<Shared>,
    address: SocketAddr,
    directory: TempDir,
    acceptor: Option<JoinHandle<()>>,
}

/// What all connections of a registry share.
#[derive(Debug)]
struct Shared {
    setup: Setup,
    url: String,
    tls: Option<Arc<ServerConfig>>,
    rules: Rules,
    tokens: Tokens,
    bucket: Option<Bucket>,
    log: Log,
    stopped: AtomicBool,
}

impl Shared {
    fn storage(&self) -> MutexGuard<'_, Storage> {
        self.setup.storage.lock().expect("no panic")
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Answers as the specification says, and the habits.
    fn answer(&self, request: &Request) -> Reply {
        let place = Place::of(&request.path);
        if let Some(refusal) = self.refusal(request, place) {
            return refusal;
        }
        match place {
            Place::Base => Reply::new(200)
                .header("Docker-Distribution-API-Version", "registry/2.0")
                .body("{}"),
            Place::Token => self.token(request),
            Place::Presigned(digest) => self.presigned(request, digest),
            Place::Manifest(name, reference) => self.manifest(request, name, reference),
            Place::Blob(name, digest) => self.blob(request, name, digest),
            Place::Uploads(name) => self.begin_upload(request, name),
            Place::Upload(name, id) => self.upload(request, name, id),
            Place::Referrers(name, digest) => self.referrers(request, name, digest),
            Place::Tags(name) => self.tags(request, name),
            Place::Unknown => Reply::new(404).body("404 page not found\n"),
        }
    }
}

impl Faulty {
    /// Starts a registry that keeps to the specification, has the referrers API, and asks for no credentials.
    pub fn start() -> Self {
        Self::setup().start()
    }

    /// Returns such a registry, to be changed and started.
    pub fn setup() -> Setup {
        Setup::default()
    }

    fn of(mut setup: Setup) -> Self {
        let directory = TempDir::with_prefix("soci-faulty-").expect("a temporary directory");
        let tls = (!setup.names.is_empty()).then(|| {
            let issued = certificate::issue(&setup.names, setup.flaw);
            fs::write(directory.path().join("ca.crt"), &issued.authority_pem).expect("a new file");
            wire::tls(&issued)
        });
        let listener = TcpListener::bind((setup.address, setup.port)).expect("a free port");
        let address = listener.local_addr().expect("the port that was bound");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            url: format!("{scheme}://{address}"),
            tls,
            rules: Rules::new(std::mem::take(&mut setup.rules)),
            tokens: Tokens::default(),
            bucket: setup.manifest_puts.map(Bucket::new),
            log: Log::new(),
            stopped: AtomicBool::new(false),
            setup,
        });
        let accepting = Arc::clone(&shared);
        let acceptor = thread::spawn(move || serve::accept(&accepting, &listener));
        Self {
            shared,
            address,
            directory,
            acceptor: Some(acceptor),
        }
    }

    /// Returns the registry as it stands in a reference: `127.0.0.1:PORT`, or `[::1]:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns scheme and host.
    pub fn url(&self) -> String {
        self.shared.url.clone()
    }

    /// Returns a file with the certificate to trust, for a registry with TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Adds a rule after those that there are.
    pub fn rule(&self, rule: Rule) {
        self.shared.rules.add(rule);
    }

    /// Lets a fault befall all requests of these methods and paths; see [`Request::is`].
    pub fn fault(&self, methods: &str, glob: &str, fault: Fault) {
        self.rule(Rule::on(methods, glob, fault));
    }

    /// Takes all rules away.
    pub fn clear_rules(&self) {
        self.shared.rules.clear();
    }

    /// Makes all bearer tokens that were given invalid.
    pub fn expire_tokens(&self) {
        self.shared.tokens.expire();
    }

    /// Returns how many bearer tokens were given.
    pub fn tokens_given(&self) -> usize {
        self.shared.tokens.given()
    }

    /// Returns all requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Entry> {
        self.shared.log.entries()
    }

    /// Forgets all requests so far.
    pub fn clear_requests(&self) {
        self.shared.log.clear();
    }

    /// Returns the requests of these methods and paths; see [`Request::is`].
    pub fn requests_to(&self, methods: &str, glob: &str) -> Vec<Entry> {
        let mut entries = self.requests();
        entries.retain(|entry| entry.request.is(methods, glob));
        entries
    }

    /// Returns how many requests of these methods and paths came.
    pub fn count(&self, methods: &str, glob: &str) -> usize {
        self.requests_to(methods, glob).len()
    }

    /// Returns how many bytes of bodies went out in answer to requests of these methods and paths.
    pub fn bytes_sent(&self, methods: &str, glob: &str) -> usize {
        let entries = self.requests_to(methods, glob);
        entries.iter().map(|entry| entry.sent).sum()
    }

    /// Returns one line for each request.
    pub fn log(&self) -> String {
        log::listing(&self.requests())
    }

    /// Waits until no connection stands any more, as it is soon after the programs that made them have ended.
    #[track_caller]
    pub fn settle(&self) {
        self.shared.log.settle();
    }

    /// Waits until something holds of the requests so far; panics where it never does.
    #[track_caller]
    pub fn wait_until(&self, holds: impl Fn(&[Entry]) -> bool) {
        self.shared.log.wait_until(holds);
    }
}

impl Drop for Faulty {
    #[expect(
        clippy::print_stderr,
        reason = "libtest shows it with the test that fails, and hides it otherwise"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the registry {} was asked:\n{}", self.host(), self.log());
        }
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that the port is free when this returns.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}
