//! An HTTP proxy on loopback, for `CONNECT` and for absolute URLs, that can fail and records its
//! requests.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv6Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A request to a proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProxyRequest {
    /// The method, such as `CONNECT`.
    pub method: String,
    /// A host with its port for `CONNECT`, or else a URL.
    pub target: String,
    /// The value of the header field `Proxy-Authorization`.
    pub authorization: Option<String>,
}

/// The setup of a proxy before it starts.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Setup {
    authorization: Option<String>,
    status: Option<u16>,
    cut: Option<Cut>,
}

/// Which tunnels break, and where.
#[derive(Clone, Copy, Debug)]
struct Cut {
    tunnels: usize,
    bytes: u64,
}

/// A proxy that runs as long as the test's process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    requests: Arc<Mutex<Vec<ProxyRequest>>>,
}

/// What all connections of a proxy share.
#[derive(Debug)]
struct State {
    setup: Setup,
    requests: Arc<Mutex<Vec<ProxyRequest>>>,
    /// How many connections to servers were opened.
    tunnels: AtomicUsize,
}

impl Setup {
    /// Requires this value of `Proxy-Authorization`, and answers 407 to other requests.
    pub fn authorization(mut self, authorization: &str) -> Self {
        self.authorization = Some(authorization.to_owned());
        self
    }

    /// Answers all requests with this status, without contacting a server.
    pub fn reply_with(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Closes each of the first `tunnels` tunnels after this many bytes were sent to the client.
    pub fn cut_after(mut self, tunnels: usize, bytes: u64) -> Self {
        self.cut = Some(Cut { tunnels, bytes });
        self
    }

    /// Starts the proxy on a free port.
    pub fn start(self) -> Proxy {
        // Accepts IPv4 and IPv6, since a proxy may be configured by an address of either.
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port that was bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let state = Arc::new(State {
            setup: self,
            requests: Arc::clone(&requests),
            tunnels: AtomicUsize::new(0),
        });
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // Errors are ignored: some tests break connections on purpose.
                thread::spawn(move || drop(state.serve_connection(&client)));
            }
        });
        Proxy {
            port: address.port(),
            requests,
        }
    }
}

impl Proxy {
    /// Starts a proxy that forwards all requests.
    pub fn start() -> Self {
        Self::setup().start()
    }

    /// Returns the setup of such a proxy, for the caller to change and start.
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// Returns the proxy's address: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the proxy's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// Returns all requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<ProxyRequest> {
        self.requests.lock().expect("no panic").clone()
    }

    /// Returns the targets of all requests so far.
    pub fn targets(&self) -> Vec<String> {
        let requests = self.requests().into_iter();
        requests.map(|request| request.target).collect()
    }
}

impl State {
    /// Reads one request, and forwards or rejects it.
    fn serve_connection(&self, client: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        let (mut lines, mut head) = (Vec::new(), String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            head.push_str(&line);
            lines.push(line.trim_end().to_owned());
        }
        let authorization = lines.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_it = name.eq_ignore_ascii_case("proxy-authorization");
            is_it.then(|| value.to_owned())
        });
        let mut words = lines[0].split(' ').map(str::to_owned);
        let request = ProxyRequest {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            authorization,
        };
        let requests = self.requests.lock();
        requests.expect("no panic").push(request.clone());
        let setup = &self.setup;
        if setup.authorization.is_some() && setup.authorization != request.authorization {
            return reject(client, 407, "Proxy-Authenticate: Basic realm=\"proxy\"\r\n");
        }
        if let Some(status) = setup.status {
            return reject(client, status, "");
        }
        let target = Target::parse(&request);
        let Ok(server) = target.connect() else {
            return reject(client, 502, "");
        };
        if target.is_tunnel {
            (&mut &*client).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        } else {
            // The server's own request has a path instead of a URL.
            let head = head.replacen(&format!("http://{}", target.authority), "", 1);
            (&mut &server).write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
        }
        // What the client has sent after the head.
        (&mut &server).write_all(reader.buffer())?;
        self.relay(client, &server);
        Ok(())
    }

    /// Copies in both directions until one side closes.
    fn relay(&self, client: &TcpStream, server: &TcpStream) {
        let number = self.tunnels.fetch_add(1, Ordering::SeqCst);
        let cut = self.setup.cut.filter(|cut| number < cut.tunnels);
        let limit = cut.map_or(u64::MAX, |cut| cut.bytes);
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(io::copy(&mut &*client, &mut &*server));
                drop(server.shutdown(Shutdown::Write));
            });
            drop(io::copy(&mut server.take(limit), &mut &*client));
            drop(client.shutdown(Shutdown::Both));
            drop(server.shutdown(Shutdown::Both));
        });
    }
}

/// The server that a request is for.
struct Target<'a> {
    is_tunnel: bool,
    /// A host, with a port if the request gives it.
    authority: &'a str,
}

impl<'a> Target<'a> {
    fn parse(request: &'a ProxyRequest) -> Self {
        let authority = request.target.trim_start_matches("http://");
        Self {
            is_tunnel: request.method == "CONNECT",
            authority: authority.split('/').next().unwrap_or_default(),
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        if self.is_tunnel || self.authority.contains(':') {
            TcpStream::connect(self.authority)
        } else {
            TcpStream::connect((self.authority, 80))
        }
    }
}

fn reject(mut client: &TcpStream, status: u16, headers: &str) -> io::Result<()> {
    let reply =
        format!("HTTP/1.1 {status} No\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(reply.as_bytes())
}
