//! A connection, with or without TLS, and the two ways to break it.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::net::sockopt;
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types};

use super::reply::End;
use crate::certificate::Issued;

/// How long a reset waits for a client that does not read.
const DRAIN: Duration = Duration::from_secs(5);

/// Makes TLS's side of a server.
pub(super) fn tls(issued: &Issued) -> Arc<ServerConfig> {
    let chain = vec![pki_types::CertificateDer::from(issued.der.clone())];
    let key = pki_types::PrivatePkcs8KeyDer::from(issued.key_der.clone());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(chain, key.into());
    Arc::new(config.expect("a certificate and its key"))
}

#[derive(Debug)]
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub(super) fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Self {
        // Pieces are to leave as they are written.
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

    /// Waits, and says whether the client has left meanwhile: it has nothing to say before it has its reply.
    pub(super) fn is_left(&self, time: Duration) -> io::Result<bool> {
        let socket = self.socket();
        socket.set_read_timeout(Some(time))?;
        let heard = socket.peek(&mut [0]);
        socket.set_read_timeout(None)?;
        match heard {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Breaks the connection. What was sent before reaches the client.
    pub(super) fn break_off(&mut self, end: End) -> io::Result<()> {
        self.flush()?;
        let socket = self.socket();
        if end == End::Close {
            return socket.shutdown(Shutdown::Both);
        }
        // A reset throws away what is still on its way.
        let deadline = Instant::now() + DRAIN;
        while unsent(socket).is_some_and(|bytes| bytes > 0) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
        Ok(())
    }

    /// Ends the connection as it should end.
    pub(super) fn finish(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            // The client may be gone already.
            drop(stream.flush());
        }
        drop(self.socket().shutdown(Shutdown::Write));
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
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

/// Returns how many bytes the peer has not acknowledged, from the kernel's table of connections.
fn unsent(socket: &TcpStream) -> Option<usize> {
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
            let (unsent, _) = words.get(4)?.split_once(':')?;
            ours.then(|| usize::from_str_radix(unsent, 16).ok())?
        };
        table.lines().find_map(queue)
    })
}
