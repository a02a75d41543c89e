//! Real registries, and a push that is killed or meets what another client deleted.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use soci_testkit::{http, registry::Registry};

use super::{Indexed, pushed, simple};
use crate::read_back::{BlobSource as _, Repository, array, assert_pushed, text};

/// How long a test waits before it kills the push.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a push with its document on a pipe.
fn start(indexed: &Indexed, host: &str) -> Child {
    let mut command = indexed.push_to(host).into_command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("soci-push");
    let line = indexed.line.replace(&indexed.host, host);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(line.as_bytes()).expect("a reader");
    child
}

/// Kills with a signal that cannot be caught.
fn kill(mut child: Child) {
    child.kill().expect("a child that runs");
    let status = child.wait().expect("a child that was not waited for");
    assert_eq!(status.code(), None, "it ended by itself: {status}");
}

/// Forwards connections to a server until so many bytes were sent, and holds back the rest.
struct LimitedForwarder {
    host: String,
    passed: Arc<AtomicUsize>,
    full: Receiver<()>,
}

impl LimitedForwarder {
    fn start_before(server: &str, limit: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let host = listener.local_addr().expect("the port").to_string();
        let passed = Arc::new(AtomicUsize::new(0));
        let (filled, full) = mpsc::channel();
        let (server, count) = (server.to_owned(), Arc::clone(&passed));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&server).expect("a server that runs");
                let (count, filled) = (Arc::clone(&count), filled.clone());
                thread::spawn(move || pass(&client, &server, &count, limit, &filled));
            }
        });
        Self { host, passed, full }
    }
}

/// Copies in both directions until one side ends or the limit is reached.
fn pass(
    client: &TcpStream,
    server: &TcpStream,
    count: &AtomicUsize,
    limit: usize,
    full: &Sender<()>,
) {
    thread::scope(|scope| {
        scope.spawn(|| {
            // The end of a connection, however it comes, ends the copy.
            drop(io::copy(&mut &*server, &mut &*client));
            drop(client.shutdown(Shutdown::Write));
        });
        let mut buffer = [0; 256];
        while let Ok(read @ 1..) = (&mut &*client).read(&mut buffer) {
            if count.fetch_add(read, Ordering::Relaxed) + read > limit {
                // The test may have stopped waiting.
                let _ = full.send(());
                break;
            }
            if (&mut &*server).write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        drop(server.shutdown(Shutdown::Both));
    });
}

/// E8: a push that is killed leaves nothing incomplete in a real registry, and the next push
/// completes it.
#[test]
fn leaves_real_registries_complete_when_it_is_killed() {
    let indexed = Indexed::of(&simple());
    for start_registry in [Registry::distribution, Registry::olareg] {
        let registry = start_registry();
        registry.push(&indexed.folder(), "app:v1");
        let forwarder = LimitedForwarder::start_before(&registry.host(), usize::MAX);
        let whole = pushed(indexed.push_to(&forwarder.host).run());
        let bytes = forwarder.passed.load(Ordering::Relaxed);
        for part in [2, 4, 6] {
            let registry = start_registry();
            registry.push(&indexed.folder(), "app:v1");
            let forwarder = LimitedForwarder::start_before(&registry.host(), bytes * part / 8);
            let child = start(&indexed, &forwarder.host);
            forwarder
                .full
                .recv_timeout(PATIENCE)
                .expect("a push that sends as much as the first");
            kill(child);
            let repository = Repository {
                registry: &registry,
                name: "app",
            };
            if repository.tags().contains(&"v1-soci".to_owned()) {
                repository.can_be_copied("v1-soci");
            }
            let again = pushed(indexed.push_to(&registry.host()).run());
            assert_eq!(again["converted"], whole["converted"]);
            assert_pushed(&repository, &again, Some(&repository.tag("v1-soci")));
            for entry in repository.referrers(&again["manifests"][0]["descriptor"]) {
                repository.json(&entry);
            }
            let count = |field: &str| again["push"][field].as_u64().expect("a number");
            let total = |document: &serde_json::Value| {
                document["push"]["uploaded"].as_u64().expect("a number")
            };
            assert_eq!(count("uploaded") + count("existing"), total(&whole));
        }
    }
}

/// E11: the same with a real registry: an entry whose index was deleted is dropped.
#[test]
fn drops_deleted_referrers_in_a_real_registry() {
    let [gone, stays, ours] = ["one", "two", "three"].map(|name| Indexed::by(name, &simple()));
    let registry = Registry::distribution();
    registry.push(&ours.folder(), "app:v1");
    for builder in [&gone, &stays] {
        builder.push_to(&registry.host()).run().succeeds();
    }
    let path = format!("/v2/app/manifests/{}", gone.version_1());
    let deleted = http::request(&registry.host(), "DELETE", &path, &[]).expect("a registry");
    assert_eq!(deleted.status, 202);
    ours.push_to(&registry.host()).run().succeeds();
    let list = registry.manifest("app", &ours.fallback_tag()).json();
    let digests = array(&list["manifests"])
        .iter()
        .map(|entry| text(&entry["digest"]).to_owned());
    let expected = [&stays, &ours].map(Indexed::version_1);
    assert_eq!(digests.collect::<Vec<_>>(), expected);
}
