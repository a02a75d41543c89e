//! Rows B5 to B7: certificates that nobody may accept, servers that speak something else, and handshakes that do not end.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use soci_testkit::{
    certificate::Flaw,
    faulty::Faulty,
    namespace,
    process::{Sandbox, Tool},
    wiretap::Wiretap,
};

use super::timed;
use crate::{
    reliability::auth::{app, assert_fails, holding, logged_in, pull, quick},
    stages::{indexed, stage},
};

/// A flaw of a certificate, whether its authority is trusted, and what is to be said.
const FLAWS: [(Flaw, bool, &[&str]); 4] = [
    (Flaw::None, false, &["UnknownIssuer", "--ca-file"]),
    (
        Flaw::SelfSigned,
        true,
        &["invalid peer certificate", "--ca-file"],
    ),
    (
        Flaw::Expired,
        true,
        &["expired", "the clock of this machine says"],
    ),
    (
        Flaw::OtherHost,
        true,
        &["not valid for name", "elsewhere.example"],
    ),
];

#[test]
fn b5_a_certificate_that_is_wrong_ends_it_at_once() {
    let open = holding(Faulty::setup(), &[3000]);
    for (flaw, trusted, says) in FLAWS {
        let registry = Faulty::setup().flawed_tls(&[], flaw).sharing(&open).start();
        let secure = |tool: Tool| {
            let tool = logged_in(tool).env("SOCI_PLAIN_HTTP", "false");
            let tool = tool.env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
            if trusted {
                tool.env("SOCI_CA_FILE", registry.ca_file())
            } else {
                tool
            }
        };
        let sandbox = Sandbox::new();
        let line = indexed(&sandbox, &app(&open));
        let tap = Wiretap::of(&registry.host());
        let reference = format!("{}/app:v1", tap.host());
        let ended = secure(pull(&sandbox, &reference)).run();
        assert!(
            flaw == Flaw::Expired || !ended.stderr.contains("the clock"),
            "{}",
            ended.stderr
        );
        assert_fails(&sandbox, ended, 69, says);
        assert_eq!(tap.connections(), 1, "{flaw:?}");
        let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
        let ended = secure(push).stdin(line).run();
        assert_fails(&sandbox, ended, 69, says);
        assert_eq!(tap.connections(), 2, "{flaw:?}");
        // Nothing was said in the clear.
        assert!(!tap.heard().contains("HTTP/1.1"), "{}", tap.heard());
        assert!(registry.requests().is_empty());
    }
}

#[test]
fn b6_servers_that_speak_the_other_protocol() {
    let open = holding(Faulty::setup(), &[3000]);
    let secure = Faulty::setup().tls(&[]).sharing(&open).start();
    let (port, _) = server(Handshake::Answers);
    for (host, plain_http, says) in [
        (
            format!("127.0.0.1:{port}"),
            "false",
            "the server does not speak TLS",
        ),
        (secure.host(), "true", "it does not speak plain HTTP"),
    ] {
        let sandbox = Sandbox::new();
        let tap = Wiretap::of(&host);
        let reference = format!("{}/app:v1", tap.host());
        let line = indexed(&sandbox, &app(&open));
        let set = |tool: Tool| {
            logged_in(tool)
                .env("SOCI_PLAIN_HTTP", plain_http)
                .env("SOCI_MAX_CONCURRENT_UPLOADS", "1")
        };
        let ended = set(pull(&sandbox, &reference)).run();
        assert_fails(&sandbox, ended, 69, &[says]);
        assert_eq!(tap.connections(), 1);
        let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
        let ended = set(push).stdin(line).run();
        assert_fails(&sandbox, ended, 69, &[says]);
        assert_eq!(tap.connections(), 2);
    }
    assert!(secure.requests().is_empty());
}

/// What a server does with a handshake.
#[derive(Clone, Copy, Debug)]
enum Handshake {
    /// It answers as an HTTP server does.
    Answers,
    Closes,
    Notifies,
    Stalls,
}

/// Starts a server of that kind, and returns its port and how many connections it got.
fn server(handshake: Handshake) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener
        .local_addr()
        .expect("the port that was bound")
        .port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        let mut kept = Vec::new();
        for client in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            match handshake {
                Handshake::Stalls => kept.push(client),
                Handshake::Answers => say(client, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                Handshake::Closes => say(client, b""),
                // An alert: a warning that says `close_notify` (RFC 8446, 6.1).
                Handshake::Notifies => say(client, &[21, 3, 3, 0, 2, 1, 0]),
            }
        }
    });
    (port, count)
}

/// Answers the beginning of a handshake, and closes.
fn say(mut client: TcpStream, words: &[u8]) {
    // What the client makes of it is what the test is about.
    drop(client.read(&mut [0; 4096]));
    drop(client.write_all(words));
}

/// Returns the time that all children of this process have spent on a processor.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("a process");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    let fields: Vec<u64> = fields
        .split(' ')
        .skip(13)
        .take(2)
        .flat_map(str::parse)
        .collect();
    // The kernel counts in hundredths of a second.
    Duration::from_millis(fields.iter().sum::<u64>() * 10)
}

#[test]
fn b7_handshakes_that_do_not_end() {
    // Alone in a process, so that its children are those of this test.
    namespace::isolated(&[], || {
        for (handshake, says) in [
            (Handshake::Stalls, "connection to"),
            (Handshake::Closes, "handshake eof"),
            (Handshake::Notifies, "handshake"),
        ] {
            let (port, count) = server(handshake);
            let sandbox = Sandbox::new();
            let tool = pull(&sandbox, &format!("127.0.0.1:{port}/app:v1"));
            let tool = quick(tool).env("SOCI_PLAIN_HTTP", "false");
            let before = processor_time();
            let (ended, elapsed) = timed(tool.env("SOCI_CONNECT_TIMEOUT", "0.5"));
            let spent = processor_time().saturating_sub(before);
            assert_fails(&sandbox, ended, 69, &[says, "(6 tries"]);
            assert_eq!(count.load(Ordering::SeqCst), 6, "{handshake:?}");
            assert!(elapsed < Duration::from_secs(15), "{elapsed:?}");
            assert!(
                spent < Duration::from_secs(2),
                "{handshake:?}: {spent:?} of {elapsed:?}"
            );
        }
    });
}
