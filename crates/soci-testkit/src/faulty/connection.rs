//! A connection of the server, with or without TLS, and the two ways to break it.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::net::sockopt;
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types};

use super::reply::End;
use crate::certificate::Certificate;

/// How long a reset waits for the client to read what was sent before.
const DRAIN: Duration = Duration::from_secs(5);

/// Returns the configuration for a TLS server with this certificate.
pub(super) fn server_config(issued: &Certificate) -> Arc<ServerConfig> {
    let chain = vec![pki_types::CertificateDer::from(issued.der.clone())];
    let key = pki_types::PrivatePkcs8KeyDer::from(issued.key_der.clone());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(chain, key.into());
    Arc::new(config.expect("a certificate and its key"))
}

#[derive(Debug)]
pub(super) enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Connection {
    pub(super) fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Self {
        // Sends each write at once: offsets of faults are exact.
        stream.set_nodelay(true).expect("a TCP socket");
        match tls {
            None => Self::Plain(stream),
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).expect("a configuration");
                Self::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Waits for `time`, and returns whether the client has disconnected.
    ///
    /// Clients send nothing before they have the response, so readable input is the end of the
    /// stream.
    pub(super) fn has_client_left(&self, time: Duration) -> io::Result<bool> {
        let socket = self.socket();
        socket.set_read_timeout(Some(time))?;
        let received = socket.peek(&mut [0]);
        socket.set_read_timeout(None)?;
        match received {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Breaks the connection after everything that was sent has reached the client.
    pub(super) fn break_connection(&mut self, end: End) -> io::Result<()> {
        self.flush()?;
        let socket = self.socket();
        if end == End::Close {
            return socket.shutdown(Shutdown::Both);
        }
        // A reset discards bytes that the client's kernel has not acknowledged.
        let deadline = Instant::now() + DRAIN;
        while unacknowledged(socket).is_some_and(|bytes| bytes > 0) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
        Ok(())
    }

    /// Closes the connection properly.
    pub(super) fn close(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            // The client may have disconnected already.
            drop(stream.flush());
        }
        drop(self.socket().shutdown(Shutdown::Write));
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Returns how many bytes the peer has not acknowledged, from the kernel's table of connections
/// (proc(5)).
fn unacknowledged(socket: &TcpStream) -> Option<usize> {
    let ports = (
        socket.local_addr().ok()?.port(),
        socket.peer_addr().ok()?.port(),
    );
    let ports = (format!(":{:04X}", ports.0), format!(":{:04X}", ports.1));
    let tables = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
    tables.iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        let queue = |line: &str| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let ours = words.get(1)?.ends_with(&ports.0) && words.get(2)?.ends_with(&ports.1);
            let (bytes, _) = words.get(4)?.split_once(':')?;
            ours.then(|| usize::from_str_radix(bytes, 16).ok())?
        };
        table.lines().find_map(queue)
    })
}
