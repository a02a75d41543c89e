//! Connections: requests are read, befallen by faults, answered, and the answers delivered.

use std::{
    fmt::Write as _,
    io::{self, BufReader, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Shared,
    place::Place,
    reply::{End, Length, Reply},
    request::Request,
    rule::Act,
    wire::Wire,
};

/// How much of a body is written at once.
const PIECE: usize = 64 << 10;

/// How often a stalled connection is looked at.
const TICK: Duration = Duration::from_millis(50);

/// What a flipped byte is combined with, by exclusive or.
pub const FLIPPED: u8 = 0x55;

/// Whether a connection goes on after a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Request,
    Hangup,
    /// It is broken off already.
    Broken,
}

/// Serves a connection to its end.
pub(super) fn serve(shared: &Shared, stream: TcpStream, number: usize) {
    let wire = Wire::new(stream, shared.tls.as_ref());
    let mut reader = BufReader::new(wire);
    // A client that goes away in the midst of something is nothing to report.
    while let Ok(Some(request)) = Request::read_head(&mut reader) {
        match exchange(shared, &mut reader, request, number) {
            Ok(Next::Request) => {}
            Ok(Next::Hangup) => break,
            Ok(Next::Broken) | Err(_) => return,
        }
    }
    reader.get_mut().finish();
}

/// Reads the rest of a request and answers it.
fn exchange(
    shared: &Shared,
    reader: &mut BufReader<Wire>,
    mut request: Request,
    number: usize,
) -> io::Result<Next> {
    let entry = shared.log.begin(&request, number);
    let fault = shared.rules.fault(&request);
    let act = fault.as_ref().map_or(&Act::Answer, |fault| &fault.act);
    if request.header("expect").is_some() {
        reader
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let (limit, dropped) = match act {
        Act::Drop(bytes, end) => (*bytes, Some(*end)),
        _ => (usize::MAX, None),
    };
    let read = request.read_body(reader, limit);
    let body = request.body.len();
    shared.log.change(entry, |entry| entry.body = body);
    if (read.is_err() || limit < usize::MAX)
        && let Place::Upload(_, id) = Place::of(&request.path)
    {
        shared.break_upload(&request, id);
    }
    read?;
    if let Some(end) = dropped {
        reader.get_mut().break_off(end)?;
        return Ok(Next::Broken);
    }
    let reply = match act {
        Act::Instead(reply) => reply.clone(),
        Act::AnswerWhole => {
            let mut whole = request.clone();
            whole.headers.retain(|(name, _)| name != "range");
            shared.answer(&whole)
        }
        Act::Answer | Act::Drop(..) => shared.answer(&request),
    };
    let reply = match fault {
        Some(fault) => fault.apply(&request, reply),
        None => reply,
    };
    let delivery = Deliver {
        shared,
        wire: reader.get_mut(),
        entry,
    };
    delivery.send(&request, &reply)
}

struct Deliver<'a> {
    shared: &'a Shared,
    wire: &'a mut Wire,
    entry: usize,
}

impl Deliver<'_> {
    fn send(mut self, request: &Request, reply: &Reply) -> io::Result<Next> {
        let delivery = &reply.delivery;
        if delivery.lost {
            self.wire.break_off(End::Reset)?;
            return Ok(Next::Broken);
        }
        self.stall(delivery.head_stall)?;
        let asked_to_close = request
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let hangup = asked_to_close || !matches!(delivery.length, Length::True);
        self.wire
            .write_all(head(request, reply, hangup).as_bytes())?;
        self.shared
            .log
            .change(self.entry, |entry| entry.status = Some(reply.status));
        let next = if request.method == "HEAD" || matches!(reply.status, 204 | 304) {
            Next::Request
        } else {
            self.send_body(reply)?
        };
        self.wire.flush()?;
        Ok(if next == Next::Request && hangup {
            Next::Hangup
        } else {
            next
        })
    }

    fn send_body(&mut self, reply: &Reply) -> io::Result<Next> {
        let delivery = &reply.delivery;
        let whole = reply.len().saturating_add(delivery.extra);
        let started = Instant::now();
        let mut stall = delivery.stall;
        let mut sent = 0;
        loop {
            if let Some((_, time)) = stall.take_if(|(at, _)| *at == sent) {
                self.wire.flush()?;
                self.stall(time)?;
            }
            if let Some((_, end)) = delivery.end.filter(|(at, _)| *at == sent) {
                self.wire.break_off(end)?;
                return Ok(Next::Broken);
            }
            if sent >= whole {
                return Ok(Next::Request);
            }
            let stops = [stall.map(|(at, _)| at), delivery.end.map(|(at, _)| at)];
            let stops = stops.into_iter().flatten().filter(|stop| *stop > sent);
            let stop = stops.min().unwrap_or(whole).min(whole);
            let pace = delivery.drip.map_or(PIECE, |(bytes, _)| bytes.max(1));
            let piece = piece(reply, sent, pace.min(stop - sent));
            self.wire.write_all(&piece)?;
            sent += piece.len();
            self.shared
                .log
                .change(self.entry, |entry| entry.sent = sent);
            if let Some((_, tick)) = delivery.drip {
                self.wire.flush()?;
                self.stall(tick)?;
            }
            self.keep_to_limit(sent, started)?;
        }
    }

    /// Waits where more was sent than a connection is allowed.
    fn keep_to_limit(&mut self, sent: usize, started: Instant) -> io::Result<()> {
        if let Some(limit) = self.shared.setup.bytes_per_second {
            let millis = sent as u64 * 1000 / limit.max(1) as u64;
            let due = started + Duration::from_millis(millis);
            self.stall(due.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Does nothing for a while, unless the client goes away or the server stops.
    fn stall(&mut self, time: Duration) -> io::Result<()> {
        let started = Instant::now();
        while let Some(left) = time
            .checked_sub(started.elapsed())
            .filter(|left| !left.is_zero())
        {
            if self.shared.is_stopped() || self.wire.is_left(left.min(TICK))? {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }
}

/// Returns bytes of a body, at least one and at most `limit`.
fn piece(reply: &Reply, offset: usize, limit: usize) -> Vec<u8> {
    let mut bytes = if offset < reply.len() {
        reply.body.piece(offset, limit)
    } else {
        vec![b'x'; limit]
    };
    for at in &reply.delivery.flips {
        if let Some(byte) = at.checked_sub(offset).and_then(|at| bytes.get_mut(at)) {
            *byte ^= FLIPPED;
        }
    }
    bytes
}

fn head(request: &Request, reply: &Reply, hangup: bool) -> String {
    let mut head = format!("HTTP/1.1 {} x\r\n", reply.status);
    let mut line = |name: &str, value: &str| {
        write!(head, "{name}: {value}\r\n").expect("a string");
    };
    for (name, value) in &reply.headers {
        line(name, value);
    }
    for number in 0..reply.delivery.more_headers {
        line(&format!("X-More-{number}"), "1");
    }
    match &reply.delivery.length {
        Length::True if matches!(reply.status, 204 | 304) => {}
        Length::True => line(
            "Content-Length",
            &(reply.len() + reply.delivery.extra).to_string(),
        ),
        Length::Absent => {}
        Length::Said(lengths) => lengths
            .iter()
            .for_each(|length| line("Content-Length", length)),
    }
    if hangup
        || request
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    {
        line("Connection", "close");
    }
    head.push_str("\r\n");
    head
}

/// Accepts connections until the server stops.
pub(super) fn accept(shared: &Arc<Shared>, listener: &std::net::TcpListener) {
    for (number, stream) in listener.incoming().enumerate() {
        if shared.is_stopped() {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        shared.log.open();
        std::thread::spawn(move || {
            serve(&shared, stream, number);
            shared.log.close();
        });
    }
}
