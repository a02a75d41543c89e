//! A range of a blob that a task receives while the reader works on earlier bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::download::Download;
use super::flow::{ExtraConnection, Flow, Starting};
use super::parallel::RANGE_SIZE;
use crate::error::RegistryError;

/// A range that is being received. At most [`RANGE_SIZE`] bytes of it are held in memory.
#[derive(Debug)]
pub(super) struct Segment {
    /// The start of the range, in bytes from the start of the blob.
    pub(super) start: u64,
    /// The end of the range, in bytes from the start of the blob. The task stops there.
    end: Arc<AtomicU64>,
    /// Whether the response to the first request holds the range. `None` if the range is needed, or
    /// once that was asked.
    answer: Option<oneshot::Receiver<bool>>,
    chunks: mpsc::UnboundedReceiver<Result<Buffered, RegistryError>>,
    task: Option<JoinHandle<()>>,
    /// Given back when the range is the one that the reader reads.
    pub(super) extra: Option<ExtraConnection>,
}

/// A chunk, and the memory that it takes from that of its range.
#[derive(Debug)]
struct Buffered {
    chunk: Bytes,
    _memory: OwnedSemaphorePermit,
}

/// Whether a range is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// The range is received by this connection alone. If it cannot be received, the download
    /// fails.
    Needed,
    /// Another connection can receive the range as well. If the server does not send it at once, it
    /// is given up.
    Trial,
}

/// The task that receives a range.
struct Receiver {
    download: Download,
    flow: Arc<Flow>,
    end: Arc<AtomicU64>,
    memory: Arc<Semaphore>,
    chunks: mpsc::UnboundedSender<Result<Buffered, RegistryError>>,
}

impl Segment {
    /// Starts to receive a range. `end` is its end, in bytes from the start of the blob.
    pub(super) fn start(
        download: Download,
        flow: &Arc<Flow>,
        purpose: Purpose,
        extra: ExtraConnection,
    ) -> Self {
        let (sender, chunks) = mpsc::unbounded_channel();
        let (answer_sender, answer) = match purpose {
            Purpose::Trial => Some(oneshot::channel()).unzip(),
            Purpose::Needed => (None, None),
        };
        let start = download.position();
        let end = Arc::new(AtomicU64::new(download.end()));
        let receiver = Receiver {
            download,
            flow: Arc::clone(flow),
            end: Arc::clone(&end),
            memory: Arc::new(Semaphore::new(range_memory())),
            chunks: sender,
        };
        let task = tokio::spawn(receiver.run(answer_sender));
        Self {
            start,
            end,
            answer,
            chunks,
            task: Some(task),
            extra: Some(extra),
        }
    }

    /// Returns the end of the range, in bytes from the start of the blob.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Ends the range at `end`, which must be at least [`RANGE_SIZE`] after the last byte that was
    /// taken from it.
    pub(super) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// Waits for the response to the first request. Returns whether it holds the range.
    pub(super) async fn is_answered(&mut self) -> bool {
        match self.answer.take() {
            Some(answer) => answer.await.unwrap_or(false),
            None => true,
        }
    }

    /// Returns the next chunk, or `None` at the end of the range.
    pub(super) async fn next_chunk(&mut self) -> Result<Option<Bytes>, RegistryError> {
        match self.chunks.recv().await {
            Some(buffered) => buffered.map(|buffered| Some(buffered.chunk)),
            None => self.join().await.map(|()| None),
        }
    }

    /// Continues the panic of the task, if it has panicked.
    async fn join(&mut self) -> Result<(), RegistryError> {
        let Some(task) = self.task.take() else {
            return Ok(());
        };
        match task.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(()) => Ok(()),
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(error)) => Err(RegistryError::Content(std::io::Error::other(error))),
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Receiver {
    /// Receives the range. For a trial, first tells by `answer` whether the server sends it.
    async fn run(mut self, answer: Option<oneshot::Sender<bool>>) {
        let mut starting = Some(Starting::new(&self.flow));
        if let Some(answer) = answer {
            let is_usable = match self.download.open_range().await {
                Ok(is_partial) => is_partial,
                Err(error) => {
                    tracing::debug!("a further connection is of no use: {error}");
                    false
                }
            };
            // The stream may have been dropped.
            if answer.send(is_usable).is_err() || !is_usable {
                return;
            }
        }
        while let Some(chunk) = self.download.next_chunk().await.transpose() {
            starting.take();
            let is_last = chunk.is_err();
            if !self.deliver(chunk).await || is_last {
                return;
            }
        }
    }

    /// Delivers a chunk when there is memory for it, as far as it lies before the end of the range.
    /// Returns whether the range goes on.
    async fn deliver(&mut self, chunk: Result<Bytes, RegistryError>) -> bool {
        let mut chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return self.chunks.send(Err(error)).is_ok(),
        };
        self.flow.add_received(chunk.len());
        let memory = chunk.len().min(range_memory());
        let permits = u32::try_from(memory).unwrap_or(u32::MAX);
        let Ok(memory) = Arc::clone(&self.memory).acquire_many_owned(permits).await else {
            return false;
        };
        let end = self.end.load(Ordering::Acquire);
        let excess = self.download.position().saturating_sub(end);
        let excess = usize::try_from(excess).unwrap_or(usize::MAX);
        chunk.truncate(chunk.len().saturating_sub(excess));
        self.download.set_end(end);
        let buffered = Buffered {
            chunk,
            _memory: memory,
        };
        self.chunks.send(Ok(buffered)).is_ok() && self.download.position() <= end
    }
}

/// Returns how many bytes of a range are held in memory at most.
fn range_memory() -> usize {
    usize::try_from(RANGE_SIZE).unwrap_or(usize::MAX)
}
