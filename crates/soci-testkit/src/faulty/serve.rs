//! Connections: reads requests, applies faults, and sends responses.

use std::{
    fmt::Write as _,
    io::{self, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    connection::Connection,
    endpoint::Endpoint,
    reply::{End, Length, Reply},
    request::Request,
    rule::Action,
    state::State,
};

/// How many bytes of a body are written at once.
const CHUNK: usize = 64 << 10;

/// How often a paused connection checks whether the client or the server has gone.
const TICK: Duration = Duration::from_millis(50);

/// The pause after each 100 interim responses.
const INTERIM_PAUSE: Duration = Duration::from_millis(5);

/// The value that a flipped byte is combined with, by an exclusive or.
pub const FLIPPED: u8 = 0x55;

/// What follows on a connection after a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// Another request.
    Request,
    /// The end: the server closes the connection.
    Close,
    /// Nothing: the connection is broken already.
    Broken,
}

/// Serves one connection until it ends.
fn serve_connection(state: &State, stream: TcpStream, number: usize) {
    let connection = Connection::new(stream, state.tls.as_ref());
    let mut reader = BufReader::new(connection);
    // Errors are not reported: clients of tests may disconnect at any time.
    while let Ok(Some(request)) = Request::read_head(&mut reader) {
        match answer_request(state, &mut reader, request, number) {
            Ok(Next::Request) => {}
            Ok(Next::Close) => break,
            Ok(Next::Broken) | Err(_) => return,
        }
    }
    reader.get_mut().close();
}

/// Reads the body of a request, and answers it.
fn answer_request(
    state: &State,
    reader: &mut BufReader<Connection>,
    mut request: Request,
    number: usize,
) -> io::Result<Next> {
    let entry = state.log.add_request(&request, number);
    let fault = state.rules.find_fault(&request);
    let usual = Action::Answer;
    let action = fault.as_ref().map_or(&usual, |fault| &fault.action);
    if request.header("expect").is_some() {
        reader
            .get_mut()
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let (limit, break_by) = match action {
        Action::Disconnect(bytes, end) => (*bytes, Some(*end)),
        _ => (usize::MAX, None),
    };
    let read = request.read_body(reader, limit);
    let body = request.body.len();
    state.log.update(entry, |entry| entry.body = body);
    if (read.is_err() || limit < usize::MAX)
        && let Endpoint::Upload(_, id) = Endpoint::parse(&request.path)
    {
        state.break_upload(&request, id);
    }
    read?;
    if let Some(end) = break_by {
        reader.get_mut().break_connection(end)?;
        return Ok(Next::Broken);
    }
    let reply = match action {
        Action::Reply(reply) => Reply::clone(reply),
        Action::IgnoreRange => {
            let mut whole = request.clone();
            whole.headers.retain(|(name, _)| name != "range");
            state.answer(&whole)
        }
        Action::Answer | Action::Disconnect(..) => state.answer(&request),
    };
    let reply = match fault {
        Some(fault) => fault.apply(&request, reply),
        None => reply,
    };
    let sender = Sender {
        state,
        connection: reader.get_mut(),
        entry,
    };
    sender.send_reply(&request, &reply)
}

/// Sends one response.
struct Sender<'a> {
    state: &'a State,
    connection: &'a mut Connection,
    /// The number of the request in the log.
    entry: usize,
}

impl Sender<'_> {
    fn send_reply(mut self, request: &Request, reply: &Reply) -> io::Result<Next> {
        let delivery = &reply.delivery;
        if delivery.lost {
            self.connection.break_connection(End::Reset)?;
            return Ok(Next::Broken);
        }
        self.pause(delivery.head_stall)?;
        for number in 0..delivery.interim {
            self.connection
                .write_all(b"HTTP/1.1 103 x\r\nLink: <x>\r\n\r\n")?;
            // A client on a busy machine has to read faster than it is sent to.
            if number % 100 == 99 {
                self.pause(INTERIM_PAUSE)?;
            }
        }
        let close = wants_close(request) || !matches!(delivery.length, Length::True);
        self.connection
            .write_all(format_head(reply, close).as_bytes())?;
        self.state
            .log
            .update(self.entry, |entry| entry.status = Some(reply.status));
        let next = if request.method == "HEAD" || matches!(reply.status, 204 | 304) {
            Next::Request
        } else {
            self.send_body(reply)?
        };
        self.connection.flush()?;
        Ok(if next == Next::Request && close {
            Next::Close
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
                self.connection.flush()?;
                self.pause(time)?;
            }
            if let Some((_, end)) = delivery.end.filter(|(at, _)| *at == sent) {
                self.connection.break_connection(end)?;
                return Ok(Next::Broken);
            }
            if sent >= whole {
                return Ok(Next::Request);
            }
            let stops = [stall.map(|(at, _)| at), delivery.end.map(|(at, _)| at)];
            let stops = stops.into_iter().flatten().filter(|stop| *stop > sent);
            let stop = stops.min().unwrap_or(whole).min(whole);
            let limit = delivery.drip.map_or(CHUNK, |(bytes, _)| bytes.max(1));
            let chunk = read_body(reply, sent, limit.min(stop - sent));
            self.connection.write_all(&chunk)?;
            sent += chunk.len();
            self.state.log.update(self.entry, |entry| entry.sent = sent);
            if let Some((_, tick)) = delivery.drip {
                self.connection.flush()?;
                self.pause(tick)?;
            }
            self.limit_bandwidth(sent, started)?;
        }
    }

    /// Waits if more was sent than the setup's limit of bytes per second allows.
    fn limit_bandwidth(&mut self, sent: usize, started: Instant) -> io::Result<()> {
        if let Some(limit) = self.state.setup.bytes_per_second {
            let millis = sent as u64 * 1000 / limit.max(1) as u64;
            let due = started + Duration::from_millis(millis);
            self.pause(due.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Waits, and fails if the client disconnects or the server stops meanwhile.
    fn pause(&mut self, time: Duration) -> io::Result<()> {
        let started = Instant::now();
        while let Some(left) = time
            .checked_sub(started.elapsed())
            .filter(|left| !left.is_zero())
        {
            if self.state.is_stopped() || self.connection.has_client_left(left.min(TICK))? {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }
}

/// Returns the bytes of a body from an offset on, at least one and at most `limit`, with the faults
/// of the response.
fn read_body(reply: &Reply, offset: usize, limit: usize) -> Vec<u8> {
    let mut bytes = if offset < reply.len() {
        reply.body.read_at(offset, limit)
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

/// Returns whether the client asks the server to close the connection after the response.
fn wants_close(request: &Request) -> bool {
    request
        .header("connection")
        .is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

fn format_head(reply: &Reply, close: bool) -> String {
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
        Length::Values(lengths) => lengths
            .iter()
            .for_each(|length| line("Content-Length", length)),
    }
    if close {
        line("Connection", "close");
    }
    head.push_str("\r\n");
    head
}

/// Accepts connections until the server stops.
pub(super) fn accept_connections(state: &Arc<State>, listener: &TcpListener) {
    for (number, stream) in listener.incoming().enumerate() {
        if state.is_stopped() {
            return;
        }
        let Ok(stream) = stream else { continue };
        let state = Arc::clone(state);
        state.log.open_connection();
        thread::spawn(move || {
            serve_connection(&state, stream, number);
            state.log.close_connection();
        });
    }
}
