//! Checks that each fault of the registry reaches a client, which reads raw bytes from its
//! connection.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use soci_testkit::{
    faulty::{Fault, Faulty, Habit, Reply, Rule},
    http, image,
};

const SIZE: usize = 100_000;

/// Starts a registry with one blob and a fault of all requests, and returns it with the blob's
/// path.
fn start_registry(fault: Fault) -> (Faulty, String) {
    let registry = Faulty::start();
    let digest = registry.put_blob("app", vec![b'b'; SIZE]);
    registry.fault("*", "*", fault);
    (registry, format!("/v2/app/blobs/{digest}"))
}

/// A response, and how its connection ended.
struct Received {
    head: String,
    body: Vec<u8>,
    /// The error that ended the connection, if it was not closed.
    end: Option<ErrorKind>,
}

/// Sends a `GET`, and reads until the connection ends.
fn fetch(registry: &Faulty, path: &str) -> Received {
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
    Received {
        head: String::from_utf8(bytes).expect("text"),
        body,
        end,
    }
}

#[test]
fn breaks_connections_at_the_given_offset() {
    for (fault, length, end) in [
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
        let (registry, path) = start_registry(fault);
        let received = fetch(&registry, &path);
        assert!(
            received.head.contains("Content-Length: 100000\r\n"),
            "{}",
            received.head
        );
        assert_eq!((received.body.len(), received.end), (length, end));
        assert_eq!(registry.bytes_sent("GET", "*/blobs/*"), length);
    }
    for (fault, end) in [
        (Fault::reset(), Some(ErrorKind::ConnectionReset)),
        (Fault::lose_reply(), Some(ErrorKind::ConnectionReset)),
        (Fault::close(), None),
    ] {
        let (registry, path) = start_registry(fault);
        let received = fetch(&registry, &path);
        assert_eq!((received.head.as_str(), received.end), ("", end));
        assert_eq!(registry.requests()[0].status, None);
    }
}

#[test]
fn changes_bodies() {
    let (registry, path) = start_registry(Fault::flip(7));
    let received = fetch(&registry, &path);
    let wrong: Vec<usize> = (0..SIZE).filter(|at| received.body[*at] != b'b').collect();
    assert_eq!(wrong, [7]);
    for (fault, length) in [
        (Fault::edit(|_, reply| reply.truncate(10)), 10),
        (Fault::edit(|_, reply| reply.extend(10)), SIZE + 10),
        (Fault::reply(Reply::new(200).body_of(b'x', 5)), 5),
    ] {
        let (registry, path) = start_registry(fault);
        let received = fetch(&registry, &path);
        assert!(
            received
                .head
                .contains(&format!("Content-Length: {length}\r\n"))
        );
        assert_eq!(received.body.len(), length);
    }
}

#[test]
fn changes_heads() {
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
        let (registry, path) = start_registry(fault);
        let received = fetch(&registry, &path);
        assert!(
            received.head.contains(expected),
            "{expected} not in {}",
            received.head
        );
    }
    let (registry, path) = start_registry(Fault::edit(|_, reply| reply.without_length()));
    let received = fetch(&registry, &path);
    assert!(!received.head.contains("Content-Length"));
    assert_eq!(received.body.len(), SIZE);
}

#[test]
fn delays_and_slows_down_responses() {
    let pause = Duration::from_millis(100);
    for fault in [
        Fault::stall_head(pause),
        Fault::stall_after(10, pause),
        Fault::drip(SIZE / 10, pause / 10),
    ] {
        let (registry, path) = start_registry(fault);
        let started = Instant::now();
        assert_eq!(fetch(&registry, &path).body.len(), SIZE);
        assert!(started.elapsed() >= pause);
    }
    let (registry, path) = start_registry(Fault::reply(Reply::new(200).endless(b'e')));
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
    fetch(&limited, &format!("/v2/app/blobs/{digest}"));
    assert!(started.elapsed() >= pause);
}

#[test]
fn performs_a_request_whose_response_is_lost() {
    let registry = Faulty::setup().habit(Habit::SinglePosts).start();
    registry.rule(Rule::on("POST", "*/uploads/*", Fault::lose_reply()).once());
    let digest = image::digest(b"blob");
    let path = format!("/v2/app/blobs/uploads/?digest={digest}");
    assert!(http::request_with_body(&registry.host(), "POST", &path, &[], b"blob").is_err());
    assert_eq!(registry.blob(&digest).unwrap(), b"blob");
}

#[test]
fn rejects_a_broken_upload_session_as_ecr_does() {
    let registry = Faulty::setup().ecr().start();
    registry.create_repository("app");
    registry.rule(Rule::on("PUT", "*/uploads/*", Fault::reset_request_after(3)).once());
    let begun = http::request(&registry.host(), "POST", "/v2/app/blobs/uploads/", &[]).unwrap();
    let path = format!(
        "{}&digest={}",
        begun.header("location").unwrap(),
        image::digest(b"blob")
    );
    let put = || http::request_with_body(&registry.host(), "PUT", &path, &[], b"blob");
    assert!(put().is_err());
    assert_eq!(registry.requests_to("PUT", "*")[0].body, 3);
    let refused = put().unwrap();
    assert_eq!(refused.status, 416);
    assert!(String::from_utf8_lossy(&refused.body).contains("is 0 instead of 3"));
}

#[test]
fn applies_rules_in_order() {
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
fn waits_for_requests_and_frees_the_port() {
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
