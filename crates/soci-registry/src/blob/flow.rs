//! What all downloads from one registry share: how fast they are, and how many connections they
//! use.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::pace::{Pace, Sample};

/// The downloads from one registry.
#[derive(Debug)]
pub(crate) struct Flow {
    started: Instant,
    /// Bytes that were received.
    received: AtomicU64,
    /// How many blobs are being read.
    readers: AtomicUsize,
    /// How many additional connections have not received a byte yet.
    starting: AtomicUsize,
    /// How many bodies were interrupted.
    interruptions: AtomicU64,
    pace: Mutex<Pace>,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            received: AtomicU64::new(0),
            readers: AtomicUsize::new(0),
            starting: AtomicUsize::new(0),
            interruptions: AtomicU64::new(0),
            pace: Mutex::default(),
        }
    }
}

impl Flow {
    /// Counts bytes that were received.
    pub(super) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a body that was interrupted.
    pub(super) fn add_interruption(&self) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
    }

    /// Decides how many connections are used, after a reader has waited for a chunk. `throttled` is
    /// the number of requests that were throttled so far.
    pub(super) fn observe(&self, waited: Duration, throttled: u64) {
        let sample = Sample {
            now: self.started.elapsed(),
            received: self.received.load(Ordering::Relaxed),
            waited,
            worked: processor_time(),
            readers: self.readers.load(Ordering::Relaxed),
            starting: self.starting.load(Ordering::Relaxed),
            troubles: throttled + self.interruptions.load(Ordering::Relaxed),
        };
        self.pace().observe(&sample);
    }

    /// Returns how many additional connections each blob may have at most, so that all blobs get
    /// some.
    pub(super) fn share(&self) -> usize {
        let readers = self.readers.load(Ordering::Relaxed).max(1);
        self.pace().extra().div_ceil(readers)
    }

    /// Takes an additional connection, if one is free.
    pub(super) fn extra_connection(self: &Arc<Self>) -> Option<ExtraConnection> {
        let is_free = self.pace().acquire();
        is_free.then(|| ExtraConnection(Arc::clone(self)))
    }

    /// Uses one connection for each blob from now on.
    pub(super) fn stop_extra_connections(&self) {
        self.pace().stop();
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how long each processor has worked for this process, on average.
fn processor_time() -> Duration {
    static PROCESSORS: LazyLock<u32> = LazyLock::new(|| {
        let processors = std::thread::available_parallelism();
        processors.map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
    });
    let all = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(all).unwrap_or_default() / *PROCESSORS
}

/// The permission to use an additional connection, until this is dropped.
#[derive(Debug)]
pub(super) struct ExtraConnection(Arc<Flow>);

impl Drop for ExtraConnection {
    fn drop(&mut self) {
        self.0.pace().release();
    }
}

/// Counts a blob that is being read, until this is dropped.
#[derive(Debug)]
pub(super) struct Reader(Arc<Flow>);

impl Reader {
    pub(super) fn new(flow: Arc<Flow>) -> Self {
        flow.readers.fetch_add(1, Ordering::Relaxed);
        Self(flow)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a connection that has not received a byte yet, until this is dropped.
#[derive(Debug)]
pub(super) struct Starting(Arc<Flow>);

impl Starting {
    pub(super) fn new(flow: &Arc<Flow>) -> Self {
        flow.starting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(flow))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.starting.fetch_sub(1, Ordering::Relaxed);
    }
}
