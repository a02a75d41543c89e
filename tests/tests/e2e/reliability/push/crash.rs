//! A push that is killed: nothing in the registry is ever incomplete, and the next push does the rest.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use soci_testkit::{
    faulty::{Fault, Faulty, Rule, Setup},
    process::Tool,
    registry::Registry,
};

use super::{Indexed, State, pushed, simple};
use crate::read_back::{Place as _, Repository, assert_pushed};

/// How long a test waits for the moment at which it kills.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a push with its document on a pipe.
fn start(indexed: &Indexed, host: &str) -> Child {
    let tool: Tool = indexed.push_to(host);
    let mut command = tool.into_command();
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

/// Kills a push once the registry has done its `n`-th request, for every `n`, and pushes again.
fn kill_after_each_request(setup: impl Fn() -> Setup) {
    let indexed = Indexed::of(&simple());
    let good = setup().start();
    let expected = indexed.undisturbed(&good);
    let requests = good.requests().len();
    assert!(requests > 15, "{}", good.log());
    for n in 0..requests {
        let registry = setup().start();
        let (done, when_done) = mpsc::channel();
        let done = Mutex::new(done);
        let stall = Fault::edit(move |_, reply| {
            done.lock()
                .expect("no panic")
                .send(())
                .expect("a test that waits");
            reply.stall_head(Duration::MAX)
        });
        registry.rule(Rule::on("*", "*", stall).skip(n).once());
        indexed.publish(&registry);
        let child = start(&indexed, &registry.host());
        when_done.recv_timeout(PATIENCE).expect("the request");
        kill(child);
        registry.clear_rules();
        // What was sent before the end is still done.
        registry.settle();
        let left = State::of(&registry);
        let before = registry.requests().len();
        indexed.push(&registry).run().succeeds();
        assert_eq!(State::of(&registry), expected, "killed after request {n}");
        let again = registry.requests().split_off(before);
        let puts = again.iter().filter(|entry| entry.request.method == "PUT");
        let mut missing = expected.digests.difference(&left.digests).count();
        // A tag may be all that is missing of what it names, where something else has the same bytes.
        if missing == 0 && left.tags != expected.tags {
            missing = 1;
        }
        assert_eq!(
            puts.count(),
            missing,
            "after request {n}:\n{}",
            registry.log()
        );
    }
}

#[test]
fn e8_a_push_that_is_killed_after_any_request_is_completed_by_the_next() {
    kill_after_each_request(Faulty::setup);
}

#[test]
fn e8_so_it_is_where_the_list_of_referrers_is_a_tag() {
    kill_after_each_request(|| Faulty::setup().without_referrers());
}

/// Passes connections on to a server, until so many bytes have gone there: then it holds back all that follows.
struct Dam {
    host: String,
    passed: Arc<AtomicUsize>,
    full: Receiver<()>,
}

impl Dam {
    fn before(server: &str, limit: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let host = listener.local_addr().expect("the port").to_string();
        let passed = Arc::new(AtomicUsize::new(0));
        let (filled, full) = mpsc::channel();
        let (server, count) = (server.to_owned(), Arc::clone(&passed));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&server).expect("a server that runs");
                let (count, filled) = (Arc::clone(&count), filled.clone());
                thread::spawn(move || pass(&client, &server, (&count, limit), &filled));
            }
        });
        Self { host, passed, full }
    }
}

/// Copies both ways until one side ends, or the dam is full.
fn pass(
    client: &TcpStream,
    server: &TcpStream,
    (count, limit): (&AtomicUsize, usize),
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
                // Nobody listens any more once the test goes on.
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

#[test]
fn e8_real_registries_stay_whole_when_a_push_is_killed() {
    let indexed = Indexed::of(&simple());
    for start_registry in [Registry::distribution, Registry::olareg] {
        let registry = start_registry();
        registry.push(&indexed.folder(), "app:v1");
        let dam = Dam::before(&registry.host(), usize::MAX);
        let whole = pushed(indexed.push_to(&dam.host).run());
        let bytes = dam.passed.load(Ordering::Relaxed);
        for part in [2, 4, 6] {
            let registry = start_registry();
            registry.push(&indexed.folder(), "app:v1");
            let dam = Dam::before(&registry.host(), bytes * part / 8);
            let child = start(&indexed, &dam.host);
            dam.full
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
