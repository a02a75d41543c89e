//! A response, and how its transfer to the client can fail.

use std::{fmt::Display, ops::Range, sync::Arc, time::Duration};

use serde_json::{Value, json};

/// A response. It is sent correctly unless one of the methods below changes that.
///
/// Offsets count the bytes of this response's body. If the request has a `Range`, offset 0 is the
/// range's first byte.
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
    /// A range of a blob or a manifest, which is not copied.
    Bytes(Arc<Vec<u8>>, Range<usize>),
    /// The same byte, as often as this.
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
    pub(super) fn read_at(&self, offset: usize, limit: usize) -> Vec<u8> {
        let end = self.len().min(offset.saturating_add(limit));
        match self {
            Self::Bytes(bytes, range) => bytes[range.start + offset..range.start + end].to_vec(),
            Self::Repeat(byte, _) => vec![*byte; end.saturating_sub(offset)],
        }
    }

    fn truncate(&mut self, length: usize) {
        match self {
            Self::Bytes(_, range) => range.end = range.end.min(range.start + length),
            Self::Repeat(_, whole) => *whole = length.min(*whole),
        }
    }
}

/// How a response is sent. Each pair has an offset or a number of bytes as its first part.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    /// The delay before the head.
    pub(super) head_stall: Duration,
    /// The offset of a pause, and its duration.
    pub(super) stall: Option<(usize, Duration)>,
    /// How many bytes are sent at a time, and the pause after them.
    pub(super) drip: Option<(usize, Duration)>,
    /// The offset at which the connection breaks, and how.
    pub(super) end: Option<(usize, End)>,
    /// Whether the connection is reset instead of any response.
    pub(super) lost: bool,
    /// How many bytes are added to the body.
    pub(super) extra: usize,
    /// The offsets of bytes that are changed.
    pub(super) flips: Vec<usize>,
    pub(super) length: Length,
    /// How many header fields are added.
    pub(super) more_headers: usize,
    /// How many interim responses are sent before the head.
    pub(super) interim: usize,
}

/// How a connection breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// With a TCP reset.
    Reset,
    /// With a TCP FIN, and without the `close_notify` of TLS.
    Close,
}

/// What `Content-Length` says.
#[derive(Clone, Debug, Default)]
pub(super) enum Length {
    /// The body's length.
    #[default]
    True,
    /// There is no such field: the end of the connection is the end of the body.
    Absent,
    /// One field for each of these values.
    Values(Vec<String>),
}

impl Reply {
    /// Returns a response with an empty body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Repeat(0, 0),
            delivery: Delivery::default(),
        }
    }

    /// Returns an error in the format of the distribution specification.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let error = json!({"errors": [{"code": code, "message": message, "detail": {}}]});
        Self::new(status).json(&error)
    }

    /// Returns the error for a method that an endpoint does not support.
    pub(super) fn unsupported() -> Self {
        Self::error(405, "UNSUPPORTED", "The operation is unsupported.")
    }

    /// Replaces the status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets a header field, and removes others with the same name.
    pub fn header(self, name: &str, value: impl Display) -> Self {
        self.without_header(name).another_header(name, value)
    }

    /// Adds a header field, and keeps others with the same name.
    pub fn another_header(mut self, name: &str, value: impl Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Removes all header fields with this name.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers
            .retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    /// Returns the value of the first header field with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Sets the body.
    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Arc::new(bytes.into());
        let all = 0..bytes.len();
        self.shared_body(bytes, all)
    }

    /// Sets the body to `length` times the same byte. It needs no memory.
    pub fn body_of(mut self, byte: u8, length: usize) -> Self {
        self.body = Body::Repeat(byte, length);
        self
    }

    /// Sets a body that never ends, and sends no `Content-Length`.
    pub fn endless(self, byte: u8) -> Self {
        self.body_of(byte, usize::MAX).without_length()
    }

    /// Sets the body to a range of these bytes.
    pub(super) fn shared_body(mut self, bytes: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        self.body = Body::Bytes(bytes, range);
        self
    }

    /// Sets the body and its `Content-Type`.
    pub(super) fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(value.to_string())
    }

    /// Returns the body's length.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Returns whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Delays the head.
    pub fn stall_head(mut self, time: Duration) -> Self {
        self.delivery.head_stall = time;
        self
    }

    /// Pauses after this many bytes of the body. `Duration::MAX` lasts until the server stops.
    pub fn stall_after(mut self, bytes: usize, time: Duration) -> Self {
        self.delivery.stall = Some((bytes, time));
        self
    }

    /// Sends this many bytes at a time, with a pause after each.
    pub fn drip(mut self, bytes: usize, tick: Duration) -> Self {
        self.delivery.drip = Some((bytes, tick));
        self
    }

    /// Resets the connection after this many bytes of the body.
    pub fn reset_after(mut self, bytes: usize) -> Self {
        self.delivery.end = Some((bytes, End::Reset));
        self
    }

    /// Closes the connection after this many bytes of the body, as if the body were complete.
    pub fn close_after(mut self, bytes: usize) -> Self {
        self.delivery.end = Some((bytes, End::Close));
        self
    }

    /// Resets the connection instead of sending the response.
    pub fn lose(mut self) -> Self {
        self.delivery.lost = true;
        self
    }

    /// Shortens the body to this many bytes, with a matching `Content-Length`.
    pub fn truncate(mut self, length: usize) -> Self {
        self.body.truncate(length);
        self
    }

    /// Adds this many bytes to the body, with a matching `Content-Length`.
    pub fn extend(mut self, bytes: usize) -> Self {
        self.delivery.extra = bytes;
        self
    }

    /// Changes the byte of the body at this offset, by an exclusive or with
    /// [`FLIPPED`](super::FLIPPED).
    pub fn flip(mut self, at: usize) -> Self {
        self.delivery.flips.push(at);
        self
    }

    /// Sends this as `Content-Length`, correct or not. The connection is closed after the body.
    pub fn length(mut self, text: impl Display) -> Self {
        self.delivery.length = Length::Values(vec![text.to_string()]);
        self
    }

    /// Sends two `Content-Length` fields.
    pub fn two_lengths(mut self, first: impl Display, second: impl Display) -> Self {
        self.delivery.length = Length::Values(vec![first.to_string(), second.to_string()]);
        self
    }

    /// Sends no `Content-Length`. The connection is closed after the body.
    pub fn without_length(mut self) -> Self {
        self.delivery.length = Length::Absent;
        self
    }

    /// Sends this many interim responses (103) first. `usize::MAX` never ends.
    pub fn interim(mut self, responses: usize) -> Self {
        self.delivery.interim = responses;
        self
    }

    /// Adds this many header fields.
    pub fn more_headers(mut self, lines: usize) -> Self {
        self.delivery.more_headers = lines;
        self
    }
}
