//! A name server on loopback that gives the answers that a test wants, and counts the queries.

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

/// An answer to a query.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The addresses of the name.
    Addresses(Vec<IpAddr>),
    /// The name does not exist (`NXDOMAIN`).
    NoSuchName,
    /// The server failed (`SERVFAIL`).
    ServerFailure,
    /// No answer is sent.
    NoReply,
}

/// A name server that runs as long as the test's process.
#[derive(Debug)]
pub struct NameServer {
    names: Arc<Mutex<Vec<String>>>,
}

const A: u16 = 1;
const AAAA: u16 = 28;

impl NameServer {
    /// Starts a server on 127.0.0.1, port 53. `answer` takes a name, and how often it was queried
    /// before.
    pub fn start(answer: impl Fn(&str, usize) -> Answer + Send + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53");
        let names = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&names);
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let Some(query) = Query::parse(&buffer[..length]) else {
                    continue;
                };
                let before = {
                    let mut log = log.lock().expect("no panic");
                    let before = log.iter().filter(|name| **name == query.name).count();
                    // Resolvers query both address families at once, which counts as one query.
                    if query.kind == A {
                        log.push(query.name.clone());
                    }
                    before
                };
                if let Some(reply) = query.encode_response(&answer(&query.name, before)) {
                    // Sending fails if the client has disconnected.
                    drop(socket.send_to(&reply, client));
                }
            }
        });
        Self { names }
    }

    /// Returns how often a name was queried.
    pub fn count(&self, name: &str) -> usize {
        let names = self.names.lock().expect("no panic");
        names.iter().filter(|queried| *queried == name).count()
    }
}

/// A query with one question (RFC 1035, section 4.1).
struct Query<'a> {
    id: [u8; 2],
    question: &'a [u8],
    name: String,
    kind: u16,
}

impl<'a> Query<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        const HEADER: usize = 12;
        let mut labels = Vec::new();
        let mut at = HEADER;
        loop {
            let length = usize::from(*packet.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).into_owned());
            at += length;
        }
        let kind = packet.get(at..at + 2)?;
        Some(Self {
            id: [packet[0], packet[1]],
            question: packet.get(HEADER..at + 4)?,
            name: labels.join("."),
            kind: u16::from_be_bytes([kind[0], kind[1]]),
        })
    }

    /// Encodes the response, or returns `None` if there is to be none.
    fn encode_response(&self, answer: &Answer) -> Option<Vec<u8>> {
        let (code, addresses) = match answer {
            Answer::NoReply => return None,
            Answer::ServerFailure => (2, &[][..]),
            Answer::NoSuchName => (3, &[][..]),
            Answer::Addresses(addresses) => (0, &addresses[..]),
        };
        let mut records = Vec::new();
        let mut count = 0_u8;
        for address in addresses {
            let (kind, octets) = match address {
                IpAddr::V4(address) => (A, address.octets().to_vec()),
                IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
            };
            if kind != self.kind {
                continue;
            }
            count += 1;
            // A pointer to the name in the question, the type, the class `IN`, and a time to live
            // of 0.
            records.extend([0xc0, 0x0c, 0, u8::try_from(kind).ok()?, 0, 1, 0, 0, 0, 0, 0]);
            records.push(u8::try_from(octets.len()).ok()?);
            records.extend(octets);
        }
        let mut reply = self.id.to_vec();
        reply.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        reply.extend(self.question);
        reply.extend(records);
        Some(reply)
    }
}
