//! Shows that each fault of the registry in this process reaches a client that reads what comes over the wire.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use soci_testkit::{
    certificate::Flaw,
    faulty::{Fault, Faulty, Reply, Rule},
    http, image,
    process::Sandbox,
};

const SIZE: usize = 100_000;

/// A registry with one blob, whose paths a fault befalls, and the blob's path.
fn registry(fault: Fault) -> (Faulty, String) {
    let registry = Faulty::start();
    let digest = registry.put_blob("app", vec![b'b'; SIZE]);
    registry.fault("*", "*", fault);
    (registry, format!("/v2/app/blobs/{digest}"))
}

/// What a connection gave until it ended.
struct Heard {
    head: String,
    body: Vec<u8>,
    end: Option<ErrorKind>,
}

/// Sends a request for a path and listens until the connection ends.
fn listen(registry: &Faulty, path: &str) -> Heard {
    let mut stream = TcpStream::connect(registry.host()).expect("a registry that runs");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nRange: bytes=0-\r\nConnection: close\r\n\r\n"
    )
    .expect("a registry that runs");
    let mut bytes = Vec::new();
    let end = stream
        .read_to_end(&mut bytes)
        .err()
        .map(|error| error.kind());
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let body = bytes.split_off(split.map_or(bytes.len(), |at| at + 4));
    Heard {
        head: String::from_utf8(bytes).expect("text"),
        body,
        end,
    }
}

#[test]
fn connections_break_where_they_should() {
    for (fault, received, end) in [
        (
            Fault::reset_after(70_000),
            70_000,
            Some(ErrorKind::ConnectionReset),
        ),
        (Fault::reset_after(0), 0, Some(ErrorKind::ConnectionReset)),
        (
            Fault::reset_after(SIZE),
            SIZE,
            Some(ErrorKind::ConnectionReset),
        ),
        (Fault::close_after(70_000), 70_000, None),
    ] {
        let (registry, path) = registry(fault);
        let heard = listen(&registry, &path);
        assert!(
            heard.head.contains("Content-Length: 100000\r\n"),
            "{}",
            heard.head
        );
        assert_eq!((heard.body.len(), heard.end), (received, end));
        assert_eq!(registry.bytes_sent("GET", "*/blobs/*"), received);
    }
    for (fault, end) in [
        (Fault::reset(), Some(ErrorKind::ConnectionReset)),
        (Fault::lose_reply(), Some(ErrorKind::ConnectionReset)),
        (Fault::close(), None),
    ] {
        let (registry, path) = registry(fault);
        let heard = listen(&registry, &path);
        assert_eq!((heard.head.as_str(), heard.end), ("", end));
        assert_eq!(registry.requests()[0].status, None);
    }
}

#[test]
fn bodies_are_not_what_they_should_be() {
    let (registry_, path) = registry(Fault::flip(7));
    let heard = listen(&registry_, &path);
    let wrong: Vec<usize> = (0..SIZE).filter(|at| heard.body[*at] != b'b').collect();
    assert_eq!(wrong, [7]);
    for (fault, length) in [
        (Fault::edit(|_, reply| reply.truncate(10)), 10),
        (Fault::edit(|_, reply| reply.extend(10)), SIZE + 10),
        (Fault::reply(Reply::new(200).body_of(b'x', 5)), 5),
    ] {
        let (registry, path) = registry(fault);
        let heard = listen(&registry, &path);
        assert!(
            heard
                .head
                .contains(&format!("Content-Length: {length}\r\n"))
        );
        assert_eq!(heard.body.len(), length);
    }
}

#[test]
fn heads_are_not_what_they_should_be() {
    for (fault, expected) in [
        (
            Fault::edit(|_, reply| reply.length(7)),
            "Content-Length: 7\r\n",
        ),
        (
            Fault::edit(|_, reply| reply.two_lengths(7, 8)),
            "Content-Length: 7\r\nContent-Length: 8\r\n",
        ),
        (
            Fault::header("Content-Range", "lines 1-2/3"),
            "Content-Range: lines 1-2/3\r\n",
        ),
        (
            Fault::header("Content-Encoding", "gzip"),
            "Content-Encoding: gzip\r\n",
        ),
        (
            Fault::edit(|_, reply| reply.more_headers(100_000)),
            "X-More-99999: 1\r\n",
        ),
        (
            Fault::redirect(307, "ftp://x/"),
            "HTTP/1.1 307 x\r\nLocation: ftp://x/\r\n",
        ),
        (Fault::ignore_range(), "HTTP/1.1 200 x\r\n"),
        (
            Fault::error(429, "TOOMANYREQUESTS", "slow")
                .and(|_, reply| reply.header("Retry-After", 2)),
            "Retry-After: 2\r\n",
        ),
    ] {
        let (registry, path) = registry(fault);
        let heard = listen(&registry, &path);
        assert!(
            heard.head.contains(expected),
            "{expected} not in {}",
            heard.head
        );
    }
    let (registry, path) = registry(Fault::edit(|_, reply| reply.without_length()));
    let heard = listen(&registry, &path);
    assert!(!heard.head.contains("Content-Length"));
    assert_eq!(heard.body.len(), SIZE);
}

#[test]
fn bodies_come_late_slowly_or_never_end() {
    let pause = Duration::from_millis(100);
    for fault in [
        Fault::stall_head(pause),
        Fault::stall_after(10, pause),
        Fault::drip(SIZE / 10, pause / 10),
    ] {
        let (registry, path) = registry(fault);
        let started = Instant::now();
        assert_eq!(listen(&registry, &path).body.len(), SIZE);
        assert!(started.elapsed() >= pause);
    }
    let (registry, path) = registry(Fault::reply(Reply::new(200).endless(b'e')));
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\n\r\n").unwrap();
    let mut much = vec![0; 10 << 20];
    stream.read_exact(&mut much).unwrap();
    drop(stream);
    let limited = Faulty::setup()
        .bytes_per_second_per_connection(SIZE * 10)
        .start();
    let digest = limited.put_blob("app", vec![0; SIZE]);
    let started = Instant::now();
    listen(&limited, &format!("/v2/app/blobs/{digest}"));
    assert!(started.elapsed() >= pause);
}

#[test]
fn a_lost_reply_leaves_what_was_done() {
    let registry = Faulty::start();
    registry.rule(Rule::on("POST", "*/uploads/*", Fault::lose_reply()).once());
    let digest = image::digest(b"blob");
    let path = format!("/v2/app/blobs/uploads/?digest={digest}");
    assert!(http::send(&registry.host(), "POST", &path, &[], b"blob").is_err());
    assert_eq!(registry.blob(&digest).unwrap(), b"blob");
}

#[test]
fn a_session_that_broke_is_of_no_more_use_to_ecr() {
    let registry = Faulty::setup().ecr().start();
    registry.create_repository("app");
    registry.rule(Rule::on("PUT", "*/uploads/*", Fault::reset_request_after(3)).once());
    let begun = http::request(&registry.host(), "POST", "/v2/app/blobs/uploads/", &[]).unwrap();
    let path = format!(
        "{}&digest={}",
        begun.header("location").unwrap(),
        image::digest(b"blob")
    );
    let put = || http::send(&registry.host(), "PUT", &path, &[], b"blob");
    assert!(put().is_err());
    assert_eq!(registry.requests_to("PUT", "*")[0].body, 3);
    let refused = put().unwrap();
    assert_eq!(refused.status, 416);
    assert!(String::from_utf8_lossy(&refused.body).contains("is 0 instead of 3"));
}

#[test]
fn rules_pick_their_requests() {
    let registry = Faulty::setup()
        .rule(Rule::on("GET", "/v2/", Fault::status(500)).skip(1).times(2))
        .rule(
            Rule::on("GET", "/v2/", Fault::status(418))
                .when(|request| request.header("x-tea").is_some()),
        )
        .start();
    let get = |headers: &[&str]| http::get(&registry.host(), "/v2/", headers).unwrap().status;
    assert_eq!(
        [
            get(&[]),
            get(&[]),
            get(&["X-Tea: 1"]),
            get(&["X-Tea: 1"]),
            get(&[])
        ],
        [200, 500, 500, 418, 200]
    );
    registry.clear_rules();
    registry.rule(Rule::on("*", "*", Fault::status(503)).chance(0.5, 7));
    let drawn: Vec<u16> = (0..40).map(|_| get(&[])).collect();
    let failed = drawn.iter().filter(|status| **status == 503).count();
    assert!((5..35).contains(&failed), "{drawn:?}");
}

#[test]
fn certificates_are_as_they_are_asked_for() {
    let sandbox = Sandbox::new();
    let curl = |registry: &Faulty| {
        let curl = sandbox
            .program("curl")
            .args(["--silent", "--fail", "--cacert"]);
        curl.arg(registry.ca_file())
            .arg(format!("{}/v2/", registry.url()))
            .run()
            .code()
    };
    assert_eq!(curl(&Faulty::setup().tls(&[]).start()), 0);
    assert_eq!(curl(&Faulty::setup().tls(&[]).address("::1").start()), 0);
    for flaw in [Flaw::Expired, Flaw::OtherHost, Flaw::SelfSigned] {
        assert_eq!(
            curl(&Faulty::setup().flawed_tls(&[], flaw).start()),
            60,
            "{flaw:?}"
        );
    }
}

#[test]
fn requests_can_be_waited_for_and_the_port_is_free_in_the_end() {
    let registry = Faulty::start();
    let host = registry.host();
    let client = std::thread::spawn(move || http::get(&host, "/v2/", &[]).unwrap().status);
    registry.wait_until(|entries| entries.iter().any(|entry| entry.status == Some(200)));
    assert_eq!(client.join().unwrap(), 200);
    registry.settle();
    registry.clear_requests();
    assert_eq!(registry.count("*", "*"), 0);
    http::get(&registry.host(), "/v2/", &[]).unwrap();
    registry.settle();
    assert_eq!(registry.requests()[0].status, Some(200));
    let port = registry.port();
    drop(registry);
    let again = Faulty::setup().port(port).start();
    assert_eq!(http::get(&again.host(), "/v2/", &[]).unwrap().status, 200);
}
