//! What a server was asked, and what it really sent.

use std::{
    fmt,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::request::Request;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request with what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When its head was read, since the server started.
    pub at: Duration,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    /// The request, without its body.
    pub request: Request,
    /// How many bytes its body had.
    pub body: usize,
    /// The status of the reply, once that was sent.
    pub status: Option<u16>,
    /// How many bytes of the reply's body went to the socket so far.
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
    /// How many entries were taken away.
    forgotten: AtomicUsize,
    connections: AtomicUsize,
    changed: Condvar,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            entries: Mutex::default(),
            forgotten: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            changed: Condvar::new(),
        }
    }

    /// Notes that a connection stands.
    pub(super) fn open(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a connection has ended.
    pub(super) fn close(&self) {
        let entries = self.entries.lock().expect("no panic");
        self.connections.fetch_sub(1, Ordering::Relaxed);
        drop(entries);
        self.changed.notify_all();
    }

    /// Waits until no connection stands any more.
    #[track_caller]
    pub(super) fn settle(&self) {
        self.wait_until(|_| self.connections.load(Ordering::Relaxed) == 0);
    }

    /// Notes a request and returns its number.
    pub(super) fn begin(&self, request: &Request, connection: usize) -> usize {
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
        self.forgotten.load(Ordering::Relaxed) + entries.len() - 1
    }

    /// Notes what became of a request.
    pub(super) fn change(&self, number: usize, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock().expect("no panic");
        let index = number.checked_sub(self.forgotten.load(Ordering::Relaxed));
        if let Some(entry) = index.and_then(|index| entries.get_mut(index)) {
            change(entry);
        }
        self.changed.notify_all();
    }

    /// Takes all entries away.
    pub(super) fn clear(&self) {
        let mut entries = self.entries.lock().expect("no panic");
        self.forgotten.fetch_add(entries.len(), Ordering::Relaxed);
        entries.clear();
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().expect("no panic").clone()
    }

    /// Waits until something holds of what was asked so far; panics where it never does.
    #[track_caller]
    pub(super) fn wait_until(&self, holds: impl Fn(&[Entry]) -> bool) {
        let entries = self.entries.lock().expect("no panic");
        let (entries, result) = self
            .changed
            .wait_timeout_while(entries, PATIENCE, |entries| !holds(entries))
            .expect("no panic");
        assert!(
            !result.timed_out(),
            "it does not come:\n{}",
            listing(&entries)
        );
    }
}

/// Returns one line for each request.
pub(super) fn listing(entries: &[Entry]) -> String {
    let lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
