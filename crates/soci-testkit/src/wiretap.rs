//! A TCP proxy in front of a server that counts connections and records what clients send.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A recording proxy that runs as long as the test's process.
#[derive(Debug)]
pub struct Wiretap {
    port: u16,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wiretap {
    /// Starts a proxy on a free port, in front of a server such as `127.0.0.1:5000`.
    pub fn in_front_of(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener
            .local_addr()
            .expect("the port that was bound")
            .port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let records = Arc::clone(&received);
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                records.lock().expect("no panic").push(Vec::new());
                let server = TcpStream::connect(&server).expect("a server that runs");
                let records = Arc::clone(&records);
                thread::spawn(move || relay(&client, &server, &records, number));
            }
        });
        Self { port, received }
    }

    /// Returns the proxy's host as it is written in a reference: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the base URL, if the server has no TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// Returns how many connections were accepted.
    pub fn connections(&self) -> usize {
        self.received.lock().expect("no panic").len()
    }

    /// Returns what clients have sent, one connection after the other.
    pub fn received(&self) -> String {
        let received = self.received.lock().expect("no panic").concat();
        String::from_utf8_lossy(&received).into_owned()
    }
}

/// Copies in both directions until one side closes, and records what the client sends.
fn relay(client: &TcpStream, server: &TcpStream, records: &Mutex<Vec<Vec<u8>>>, number: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            // An error ends the copy just as the end of the stream does.
            drop(io::copy(&mut &*server, &mut &*client));
            drop(client.shutdown(Shutdown::Both));
        });
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = (&mut &*client).read(&mut buffer) {
            records.lock().expect("no panic")[number].extend(&buffer[..read]);
            if (&mut &*server).write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        drop(server.shutdown(Shutdown::Both));
    });
}
