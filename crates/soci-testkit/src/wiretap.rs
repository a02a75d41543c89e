//! Passes connections on to a server, counts them, and keeps what clients send.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A wiretap that runs as long as the test's process.
#[derive(Debug)]
pub struct Wiretap {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wiretap {
    /// Listens on a free port, in front of a server such as `127.0.0.1:5000`.
    pub fn of(server: &str) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener
            .local_addr()
            .expect("the port that was bound")
            .port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                ears.lock().expect("no panic").push(Vec::new());
                let server = TcpStream::connect(&server).expect("a server that runs");
                let ears = Arc::clone(&ears);
                thread::spawn(move || tap(&client, &server, &ears, number));
            }
        });
        Self { port, heard }
    }

    /// Returns the wiretap as it stands in a reference: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the base URL, for a server without TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// Returns how many connections were made.
    pub fn connections(&self) -> usize {
        self.heard.lock().expect("no panic").len()
    }

    /// Returns what clients have sent, one connection after the other.
    pub fn heard(&self) -> String {
        let heard = self.heard.lock().expect("no panic").concat();
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// Copies both ways until one side ends.
fn tap(client: &TcpStream, server: &TcpStream, heard: &Mutex<Vec<Vec<u8>>>, number: usize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            // The end of a connection, however it comes, ends the copy.
            drop(io::copy(&mut &*server, &mut &*client));
            drop(client.shutdown(Shutdown::Both));
        });
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = (&mut &*client).read(&mut buffer) {
            heard.lock().expect("no panic")[number].extend(&buffer[..read]);
            if (&mut &*server).write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        drop(server.shutdown(Shutdown::Both));
    });
}
