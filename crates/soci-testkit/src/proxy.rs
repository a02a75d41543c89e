//! An HTTP proxy on loopback, for `CONNECT` and for whole URLs, that can misbehave and keeps what it was asked.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv6Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What a proxy was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The method, such as `CONNECT`.
    pub method: String,
    /// A host with its port, or a URL.
    pub target: String,
    /// The header `Proxy-Authorization`.
    pub authorization: Option<String>,
}

/// How a proxy behaves.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Manners {
    authorization: Option<String>,
    refusal: Option<u16>,
    cut: Option<(usize, usize)>,
}

/// A proxy that runs as long as the test's process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug)]
struct Served {
    manners: Manners,
    asked: Arc<Mutex<Vec<Asked>>>,
    tunnels: AtomicUsize,
}

impl Manners {
    /// Wants this value of `Proxy-Authorization`, and answers 407 otherwise.
    pub fn wants(mut self, authorization: &str) -> Self {
        self.authorization = Some(authorization.to_owned());
        self
    }

    /// Answers everything with a status.
    pub fn refuses(mut self, status: u16) -> Self {
        self.refusal = Some(status);
        self
    }

    /// Breaks off each of the first `times` tunnels after so many bytes have come through it for the client.
    pub fn cuts(mut self, times: usize, bytes: usize) -> Self {
        self.cut = Some((times, bytes));
        self
    }

    /// Starts the proxy on a free port.
    pub fn start(self) -> Proxy {
        // For both families: a proxy may be named by an address of either.
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port that was bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::new(Served {
            manners: self,
            asked: Arc::clone(&asked),
            tunnels: AtomicUsize::new(0),
        });
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                // A connection that breaks is what some tests are about.
                thread::spawn(move || drop(served.serve(&client)));
            }
        });
        Proxy {
            port: address.port(),
            asked,
        }
    }
}

impl Proxy {
    /// Starts a proxy that does what it is asked.
    pub fn start() -> Self {
        Manners::default().start()
    }

    /// Returns the proxy as it stands in a URL: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the proxy's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// Returns what the proxy was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// Returns the targets that were asked for, in their order.
    pub fn targets(&self) -> Vec<String> {
        let asked = self.asked().into_iter();
        asked.map(|asked| asked.target).collect()
    }
}

impl Served {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
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
        let asked = Asked {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            authorization,
        };
        self.asked.lock().expect("no panic").push(asked.clone());
        let manners = &self.manners;
        if manners.authorization.is_some() && manners.authorization != asked.authorization {
            return refuse(client, 407, "Proxy-Authenticate: Basic realm=\"proxy\"\r\n");
        }
        if let Some(status) = manners.refusal {
            return refuse(client, status, "");
        }
        self.pass_on(&asked, &head, &mut reader, client)
    }

    /// Reaches the target and copies both ways.
    fn pass_on(
        &self,
        asked: &Asked,
        head: &str,
        reader: &mut BufReader<&TcpStream>,
        client: &TcpStream,
    ) -> io::Result<()> {
        let is_tunnel = asked.method == "CONNECT";
        let authority = asked.target.trim_start_matches("http://");
        let authority = authority.split('/').next().unwrap_or_default();
        let server = if is_tunnel || authority.contains(':') {
            TcpStream::connect(authority)
        } else {
            TcpStream::connect((authority, 80))
        };
        let Ok(server) = server else {
            return refuse(client, 502, "");
        };
        if is_tunnel {
            (&mut &*client).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        } else {
            let host = format!("http://{authority}");
            let head = head.replacen(&host, "", 1);
            (&mut &server).write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
        }
        let number = self.tunnels.fetch_add(1, Ordering::SeqCst);
        let cut = self.manners.cut.filter(|(times, _)| number < *times);
        let limit = cut.map_or(u64::MAX, |(_, bytes)| bytes as u64);
        let early = reader.buffer().to_vec();
        (&mut &server).write_all(&early)?;
        thread::scope(|scope| {
            scope.spawn(|| {
                drop(io::copy(&mut &*client, &mut &server));
                drop(server.shutdown(Shutdown::Write));
            });
            drop(io::copy(&mut (&server).take(limit), &mut &*client));
            drop(client.shutdown(Shutdown::Both));
            drop(server.shutdown(Shutdown::Both));
        });
        Ok(())
    }
}

fn refuse(mut client: &TcpStream, status: u16, headers: &str) -> io::Result<()> {
    let reply =
        format!("HTTP/1.1 {status} No\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(reply.as_bytes())
}
