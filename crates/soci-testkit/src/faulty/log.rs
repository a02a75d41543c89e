//! The log of requests, with what was really sent in response.

use std::{
    fmt,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::request::Request;

/// How long a test waits for a condition that must come true.
const WAIT_LIMIT: Duration = Duration::from_mins(1);

/// A request and its outcome.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When its head was read, as the time since the server started.
    pub at: Duration,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// The request, without its body.
    pub request: Request,
    /// The size of its body, in bytes.
    pub body: usize,
    /// The status of the response, once that was sent.
    pub status: Option<u16>,
    /// How many bytes of the response's body were written to the socket so far.
    pub sent: usize,
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        write!(
            formatter,
            "{:.3?} #{} {} {}",
            self.at,
            self.connection,
            request.method,
            request.target()
        )?;
        if let Some(range) = request.header("range") {
            write!(formatter, " ({range})")?;
        }
        match self.status {
            Some(status) => write!(formatter, " -> {status}, {} bytes", self.sent),
            None => write!(formatter, " -> nothing"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Log {
    started: Instant,
    entries: Mutex<Vec<Entry>>,
    /// How many entries were removed.
    removed: AtomicUsize,
    open_connections: AtomicUsize,
    changed: Condvar,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            entries: Mutex::default(),
            removed: AtomicUsize::new(0),
            open_connections: AtomicUsize::new(0),
            changed: Condvar::new(),
        }
    }

    /// Records that a connection was opened.
    pub(super) fn open_connection(&self) {
        self.open_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a connection was closed.
    pub(super) fn close_connection(&self) {
        let entries = self.entries.lock().expect("no panic");
        self.open_connections.fetch_sub(1, Ordering::Relaxed);
        drop(entries);
        self.changed.notify_all();
    }

    /// Waits until no connection is open.
    #[track_caller]
    pub(super) fn wait_until_idle(&self) {
        self.wait_until(|_| self.open_connections.load(Ordering::Relaxed) == 0);
    }

    /// Adds a request, and returns its number.
    pub(super) fn add_request(&self, request: &Request, connection: usize) -> usize {
        let mut entries = self.entries.lock().expect("no panic");
        entries.push(Entry {
            at: self.started.elapsed(),
            connection,
            request: request.clone(),
            body: 0,
            status: None,
            sent: 0,
        });
        self.changed.notify_all();
        self.removed.load(Ordering::Relaxed) + entries.len() - 1
    }

    /// Updates the entry of a request.
    pub(super) fn update(&self, number: usize, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock().expect("no panic");
        let index = number.checked_sub(self.removed.load(Ordering::Relaxed));
        if let Some(entry) = index.and_then(|index| entries.get_mut(index)) {
            change(entry);
        }
        self.changed.notify_all();
    }

    /// Removes all entries.
    pub(super) fn clear(&self) {
        let mut entries = self.entries.lock().expect("no panic");
        self.removed.fetch_add(entries.len(), Ordering::Relaxed);
        entries.clear();
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("no panic").clone()
    }

    /// Waits until a condition holds for the requests so far. Panics if it does not within
    /// [`WAIT_LIMIT`].
    #[track_caller]
    pub(super) fn wait_until(&self, condition: impl Fn(&[Entry]) -> bool) {
        let entries = self.entries.lock().expect("no panic");
        let (entries, result) = self
            .changed
            .wait_timeout_while(entries, WAIT_LIMIT, |entries| !condition(entries))
            .expect("no panic");
        assert!(
            !result.timed_out(),
            "the awaited requests do not arrive:\n{}",
            format_entries(&entries)
        );
    }
}

/// Returns one line for each request.
pub(super) fn format_entries(entries: &[Entry]) -> String {
    let lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
