//! What is answered, and everything that can go wrong on the way to the client.

use std::{fmt::Display, ops::Range, sync::Arc, time::Duration};

use serde_json::{Value, json};

/// A reply, which is delivered as it should be unless it is told otherwise.
///
/// Offsets count the bytes of this reply's body: in the answer to a `Range` they start with the range.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) delivery: Delivery,
}

/// The bytes of a body.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// A part of what may be large and is not copied.
    Bytes(Arc<Vec<u8>>, Range<usize>),
    /// The same byte again and again.
    Repeat(u8, usize),
}

impl Body {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(_, range) => range.len(),
            Self::Repeat(_, length) => *length,
        }
    }

    /// Returns the bytes from an offset on, at most `limit` of them.
    pub(super) fn piece(&self, offset: usize, limit: usize) -> Vec<u8> {
        let end = self.len().min(offset.saturating_add(limit));
        match self {
            Self::Bytes(bytes, range) => bytes[range.start + offset..range.start + end].to_vec(),
            Self::Repeat(byte, _) => vec![*byte; end.saturating_sub(offset)],
        }
    }

    fn cut_to(&mut self, length: usize) {
        match self {
            Self::Bytes(_, range) => range.end = range.end.min(range.start + length),
            Self::Repeat(_, whole) => *whole = length.min(*whole),
        }
    }
}

/// How a reply travels.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    pub(super) head_stall: Duration,
    pub(super) stall: Option<(usize, Duration)>,
    pub(super) drip: Option<(usize, Duration)>,
    pub(super) end: Option<(usize, End)>,
    pub(super) lost: bool,
    pub(super) extra: usize,
    pub(super) flips: Vec<usize>,
    pub(super) length: Length,
    pub(super) more_headers: usize,
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// By a TCP reset.
    Reset,
    /// By a FIN, and with TLS without a word of goodbye.
    Close,
}

/// What is said of a body's length.
#[derive(Clone, Debug, Default)]
pub(super) enum Length {
    /// The truth.
    #[default]
    True,
    /// Nothing: the body ends with the connection.
    Absent,
    /// Each of these in a field of its own.
    Said(Vec<String>),
}

impl Reply {
    /// An empty reply.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Repeat(0, 0),
            delivery: Delivery::default(),
        }
    }

    /// A registry's refusal.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"errors": [{"code": code, "message": message, "detail": {}}]});
        Self::new(status).json(&error)
    }

    /// Replaces the status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets a header field in place of those of the same name.
    pub fn header(self, name: &str, value: impl Display) -> Self {
        self.without_header(name).another_header(name, value)
    }

    /// Adds a header field to those of the same name.
    pub fn another_header(mut self, name: &str, value: impl Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Takes all header fields of a name away.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers
            .retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    /// Returns the first header field of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Sets the body.
    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Arc::new(bytes.into());
        let all = 0..bytes.len();
        self.part(bytes, all)
    }

    /// Sets the body to `length` times the same byte, which take no memory.
    pub fn body_of(mut self, byte: u8, length: usize) -> Self {
        self.body = Body::Repeat(byte, length);
        self
    }

    /// Sets a body that never ends, and whose length is not said.
    pub fn endless(self, byte: u8) -> Self {
        self.body_of(byte, usize::MAX).without_length()
    }

    pub(super) fn part(mut self, bytes: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        self.body = Body::Bytes(bytes, range);
        self
    }

    pub(super) fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(value.to_string())
    }

    /// Returns the body's length.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Returns whether there is no body.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets the client wait for the head.
    pub fn stall_head(mut self, time: Duration) -> Self {
        self.delivery.head_stall = time;
        self
    }

    /// Falls silent after some bytes of the body; `Duration::MAX` is as long as the server lives.
    pub fn stall_after(mut self, bytes: usize, time: Duration) -> Self {
        self.delivery.stall = Some((bytes, time));
        self
    }

    /// Sends some bytes at every tick of a clock.
    pub fn drip(mut self, bytes: usize, tick: Duration) -> Self {
        self.delivery.drip = Some((bytes, tick));
        self
    }

    /// Resets the connection after some bytes of the body.
    pub fn reset_after(mut self, bytes: usize) -> Self {
        self.delivery.end = Some((bytes, End::Reset));
        self
    }

    /// Closes the connection after some bytes of the body, as if that had been all.
    pub fn close_after(mut self, bytes: usize) -> Self {
        self.delivery.end = Some((bytes, End::Close));
        self
    }

    /// Resets the connection in place of the reply.
    pub fn lose(mut self) -> Self {
        self.delivery.lost = true;
        self
    }

    /// Shortens the body, and says so in the length.
    pub fn truncate(mut self, length: usize) -> Self {
        self.body.cut_to(length);
        self
    }

    /// Adds bytes to the body, and says so in the length.
    pub fn extend(mut self, bytes: usize) -> Self {
        self.delivery.extra = bytes;
        self
    }

    /// Turns a byte of the body into another one.
    pub fn flip(mut self, at: usize) -> Self {
        self.delivery.flips.push(at);
        self
    }

    /// Says something as `Content-Length`, be it true or not; the connection ends with the body.
    pub fn length(mut self, text: impl Display) -> Self {
        self.delivery.length = Length::Said(vec![text.to_string()]);
        self
    }

    /// Says two different things as `Content-Length`.
    pub fn two_lengths(mut self, first: impl Display, second: impl Display) -> Self {
        self.delivery.length = Length::Said(vec![first.to_string(), second.to_string()]);
        self
    }

    /// Says no length; the connection ends with the body.
    pub fn without_length(mut self) -> Self {
        self.delivery.length = Length::Absent;
        self
    }

    /// Adds as many lines to the head.
    pub fn more_headers(mut self, lines: usize) -> Self {
        self.delivery.more_headers = lines;
        self
    }
}
