//! Downloads a blob over as many connections as its reader needs, and delivers its bytes in order.
//!
//! The blob is requested from its start to its end. While more connections are tried, a second one
//! requests the bytes from 8 MiB after the current position to the end, and the first one is closed
//! when its reader gets there: so a trial that does not pay costs one request. If it pays, each
//! connection requests ranges of 4 MiB.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use super::download::Download;
use super::flow::{Flow, Reader};
use super::parallel::RANGE_SIZE;
use super::segment::{Purpose, Segment};
use crate::error::RegistryError;

/// Bytes that a blob has at least if it is worth more than one connection.
const SMALLEST_BLOB: u64 = 4 * RANGE_SIZE;

/// How far from the current position a trial requests the rest of the blob. The trial is judged
/// before its reader gets there, or else further ranges are requested meanwhile.
const TRIAL_DISTANCE: u64 = 2 * RANGE_SIZE;

/// How long a reader is observed before it is known whether it waits for bytes.
const OBSERVATION: Duration = Duration::from_millis(10);

/// How long the response to a trial is awaited when the reader has got to its range.
const PATIENCE: Duration = Duration::from_millis(500);

/// Returns whether the rest of a blob may be downloaded over more than one connection.
pub(super) const fn is_worthwhile(download: &Download) -> bool {
    download.size() - download.position() >= SMALLEST_BLOB
}

/// Streams a blob whose first response is already open.
pub(super) fn stream(download: Download) -> impl Stream<Item = Result<Bytes, RegistryError>> {
    stream::try_unfold(AdaptiveDownload::new(download), |mut download| async {
        let chunk = download.next_chunk().await?;
        Ok(chunk.map(|chunk| (chunk, download)))
    })
}

/// The download of a blob.
struct AdaptiveDownload {
    flow: Arc<Flow>,
    /// The whole blob, of which ranges are made. It is never opened itself.
    blob: Download,
    /// Where the next byte comes from.
    front: Front,
    /// What follows it, in order. Each has an additional connection.
    following: VecDeque<Segment>,
    /// The next byte to deliver, in bytes from the start of the blob.
    position: u64,
    demand: Demand,
    _reader: Reader,
}

/// Where the next byte comes from.
enum Front {
    /// A response that is read here. Only its range can be made longer again.
    Download(Box<Download>),
    /// A range that a task receives.
    Segment(Segment),
}

/// Whether the reader waits for bytes.
struct Demand {
    is_waiting: bool,
    since: Instant,
    waited: Duration,
}

impl AdaptiveDownload {
    fn new(download: Download) -> Self {
        let flow = Arc::clone(&download.repository().registry().flow);
        Self {
            _reader: Reader::new(Arc::clone(&flow)),
            flow,
            blob: download.range(0, download.size()),
            position: download.position(),
            front: Front::Download(Box::new(download)),
            following: VecDeque::new(),
            demand: Demand {
                is_waiting: true,
                since: Instant::now(),
                waited: Duration::ZERO,
            },
        }
    }

    /// Returns the next chunk, or `None` at the end of the blob.
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        loop {
            self.open_ranges();
            if self.position == self.front.end() && self.position < self.blob.size() {
                self.advance().await;
                continue;
            }
            let asked_at = Instant::now();
            let chunk = self.front.next_chunk(&self.flow).await?;
            let waited = asked_at.elapsed();
            self.demand.record(waited);
            let throttled = self.blob.repository().transport().throttled();
            self.flow.observe(waited, throttled);
            match chunk {
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => {
                    self.position += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                None if self.position == self.blob.size() => return Ok(None),
                // The end of the range was moved while its last bytes were being received.
                None => self.front.set_end(self.position),
            }
        }
    }

    /// Opens further ranges, as many as are wanted.
    fn open_ranges(&mut self) {
        while self.following.len() < self.flow.share() {
            let Some((start, end, purpose)) = self.next_range() else {
                return;
            };
            let Some(extra) = self.flow.extra_connection() else {
                return;
            };
            match self.following.back() {
                Some(last) => last.set_end(start),
                None => self.front.set_end(start),
            }
            let download = self.blob.range(start, end);
            let segment = Segment::start(download, &self.flow, purpose, extra);
            self.following.push_back(segment);
        }
    }

    /// Returns the start, the end and the purpose of the range after the last one, or `None` if
    /// none is wanted.
    fn next_range(&self) -> Option<(u64, u64, Purpose)> {
        let size = self.blob.size();
        let last_end = match self.following.back() {
            Some(last) => last.end(),
            None => self.front.end(),
        };
        if last_end < size {
            return Some((last_end, size.min(last_end + RANGE_SIZE), Purpose::Needed));
        }
        // The last range goes on to the end of the blob, and is to end earlier.
        if let Some(last) = self.following.back() {
            let start = last.start + RANGE_SIZE;
            let is_worthwhile = start + RANGE_SIZE <= size;
            return is_worthwhile.then_some((start, start + RANGE_SIZE, Purpose::Needed));
        }
        let start = self.position + TRIAL_DISTANCE;
        let purpose = match &self.front {
            Front::Segment(_) => Purpose::Needed,
            Front::Download(_) => Purpose::Trial,
        };
        let is_worthwhile =
            start + RANGE_SIZE <= size && (purpose == Purpose::Needed || self.demand.is_waiting);
        is_worthwhile.then_some((start, size, purpose))
    }

    /// Goes on with the next range when the front has been read to its end.
    async fn advance(&mut self) {
        let Some(mut next) = self.following.pop_front() else {
            // Only one connection is wanted now.
            let rest = self.blob.range(self.position, self.blob.size());
            self.front = Front::Download(Box::new(rest));
            return;
        };
        match tokio::time::timeout(PATIENCE, next.is_answered()).await {
            Ok(true) => {
                // The place of the connection that has ended is free.
                next.extra = None;
                self.front = Front::Segment(next);
                return;
            }
            Ok(false) => self.flow.stop_extra_connections(),
            Err(_elapsed) => self.flow.add_interruption(),
        }
        // The response to the first request is still open, and has the bytes of the range, too.
        self.following.clear();
        self.front.set_end(self.blob.size());
    }
}

impl Front {
    fn end(&self) -> u64 {
        match self {
            Self::Download(download) => download.end(),
            Self::Segment(segment) => segment.end(),
        }
    }

    fn set_end(&mut self, end: u64) {
        match self {
            Self::Download(download) => download.set_end(end),
            Self::Segment(segment) => segment.set_end(end),
        }
    }

    async fn next_chunk(&mut self, flow: &Flow) -> Result<Option<Bytes>, RegistryError> {
        match self {
            Self::Download(download) => {
                let chunk = download.next_chunk().await?;
                flow.add_received(chunk.as_ref().map_or(0, Bytes::len));
                Ok(chunk)
            }
            Self::Segment(segment) => segment.next_chunk().await,
        }
    }
}

impl Demand {
    /// Records how long the reader has waited for a chunk. It counts as waiting if it waits for an
    /// eighth of its time.
    fn record(&mut self, waited: Duration) {
        self.waited += waited;
        let elapsed = self.since.elapsed();
        if elapsed >= OBSERVATION {
            self.is_waiting = 8 * self.waited >= elapsed;
            self.since = Instant::now();
            self.waited = Duration::ZERO;
        }
    }
}
