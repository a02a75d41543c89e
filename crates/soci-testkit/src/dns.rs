//! A name server on loopback that says what a test wants, and counts what it is asked.

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

/// What a server says of a name.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It has these addresses.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoName,
    /// The server itself failed.
    Failure,
    /// Nothing at all.
    Silence,
}

/// A server that runs as long as the test's process.
#[derive(Debug)]
pub struct Dns {
    asked: Arc<Mutex<Vec<String>>>,
}

const A: u16 = 1;
const AAAA: u16 = 28;

impl Dns {
    /// Starts a server on 127.0.0.1, port 53; `answer` takes a name and how often that was asked for before.
    pub fn start(answer: impl Fn(&str, usize) -> Answer + Send + 'static) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let Some(query) = Query::parse(&buffer[..length]) else {
                    continue;
                };
                let before = {
                    let mut log = log.lock().expect("no panic");
                    let before = log.iter().filter(|name| **name == query.name).count();
                    // Both families are asked for at once.
                    if query.kind == A {
                        log.push(query.name.clone());
                    }
                    before
                };
                if let Some(reply) = query.reply(&answer(&query.name, before)) {
                    // A client that is gone wants no answer.
                    drop(socket.send_to(&reply, client));
                }
            }
        });
        Self { asked }
    }

    /// Returns how often a name was looked up.
    pub fn count(&self, name: &str) -> usize {
        let asked = self.asked.lock().expect("no panic");
        asked.iter().filter(|asked| *asked == name).count()
    }
}

/// A query with one question (RFC 1035, 4.1).
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

    fn reply(&self, answer: &Answer) -> Option<Vec<u8>> {
        let (code, addresses) = match answer {
            Answer::Silence => return None,
            Answer::Failure => (2, &[][..]),
            Answer::NoName => (3, &[][..]),
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
            // The name of the question, the class of the Internet, and a life of nothing.
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
