//! TLS handshakes that do not end.

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

use soci_testkit::{namespace, process::Sandbox};

use super::run_timed;
use crate::reliability::auth::{assert_fails, pull, with_short_waits};

/// How a server answers a handshake.
#[derive(Clone, Copy, Debug)]
enum Handshake {
    Closes,
    Notifies,
    Stalls,
}

/// Starts a server, and returns its port and the number of its connections.
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
                Handshake::Closes => reply_and_close(client, b""),
                // An alert: a warning that says `close_notify` (RFC 8446, 6.1).
                Handshake::Notifies => reply_and_close(client, &[21, 3, 3, 0, 2, 1, 0]),
            }
        }
    });
    (port, count)
}

/// Replies to the first bytes of a handshake, and closes the connection.
fn reply_and_close(mut client: TcpStream, reply: &[u8]) {
    // The client may close the connection at any time.
    drop(client.read(&mut [0; 4096]));
    drop(client.write_all(reply));
}

/// Returns the processor time of all children of this process.
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

/// B7: a handshake that stalls or breaks off is given up after six tries, without busy waiting.
#[test]
fn gives_up_on_handshakes_that_do_not_end() {
    // In a process of its own, whose children are those of this test only.
    namespace::isolated(&[], || {
        for (handshake, says) in [
            (Handshake::Stalls, "connection to"),
            (Handshake::Closes, "handshake eof"),
            (Handshake::Notifies, "handshake"),
        ] {
            let (port, count) = server(handshake);
            let sandbox = Sandbox::new();
            let tool = pull(&sandbox, &format!("127.0.0.1:{port}/app:v1"));
            let tool = with_short_waits(tool).env("SOCI_PLAIN_HTTP", "false");
            let before = processor_time();
            let (ended, elapsed) = run_timed(tool.env("SOCI_CONNECT_TIMEOUT", "0.5"));
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
