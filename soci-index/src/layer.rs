//! One layer: read, inflated, scanned and digested in one pass, in three threads that overlap.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};

use bytes::Bytes;
use soci_cli::Bar;
use soci_document::{Classify, Exit, UnindexableReason};
use soci_layout::Layout;
use soci_oci::{Descriptor, Digest};
use soci_transport::{BlobReader, TransportError};
use soci_ztoc::{
    LayerDigests, LayerScanner, ReaderViolation, ScanError, ScannedLayer, SpanHasher, SpanStart,
    Ztoc,
};

use crate::built::Built;
use crate::memory::Recipe;

/// How many pieces wait between two threads: enough to even out, few enough to bound memory.
const WAITING: usize = 4;

/// How nice threads are that give way: they get a third of the time where two want all of a processor.
#[cfg(target_os = "linux")]
const GIVING_WAY: i32 = 5;

/// Why a layer has no ztoc although it was to be indexed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    #[error("cannot read the layer")]
    Read(#[from] TransportError),
    #[error("the layer is not what the manifest says: expected {expected}, found {found}")]
    Digest { expected: Digest, found: Digest },
    #[error("the layer is damaged")]
    Scan(#[from] ScanError),
    #[error("cannot encode the ztoc")]
    Encode(#[from] soci_ztoc::EncodeError),
    #[error("cannot store the ztoc")]
    Store(#[from] soci_layout::LayoutError),
    #[error("scanner and hasher disagree, which is a bug")]
    Assemble(#[from] soci_ztoc::AssembleError),
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    #[error("stopped, since another layer failed")]
    Stopped,
}

impl Classify for LayerError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(error) => error.exit(),
            Self::Store(error) => error.exit(),
            Self::Digest { .. } | Self::Scan(_) | Self::Encode(_) => Exit::BadData,
            Self::Thread(_) => Exit::Io,
            Self::Assemble(_) | Self::Stopped => Exit::Internal,
        }
    }
}

/// A piece of a layer, and where spans start in it.
type Scanned = (Bytes, Vec<SpanStart>);

/// Whether others wait for a layer, or it for others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rank {
    /// The largest layer: the run takes as long as it does.
    Longest,
    /// A layer that has time as long as the longest one is on its way.
    Other,
}

/// Builds the ztoc of `layer` from its bytes and puts it into the store. `stop` ends the pass early.
pub(crate) fn build(
    (layer, rank): (&Descriptor, Rank),
    recipe: &Recipe<'_>,
    reader: BlobReader,
    store: &Layout,
    (bar, stop): (&Bar, &AtomicBool),
) -> Result<Built, LayerError> {
    let mut fresh = LayerScanner::new(recipe.compression, recipe.span_size)?;
    fresh.reserve_for(layer.size);
    let (scanned, digests) = thread::scope(|scope| {
        let (to_scanner, pieces) = sync_channel(WAITING);
        let (to_hasher, scanned_pieces) = sync_channel(WAITING);
        let hash = rank.spawn(scope, move || hash(&scanned_pieces))?;
        let scan = rank.spawn(scope, move || scan(fresh, &pieces, &to_hasher))?;
        // Here, since the reader may wait for a network, and would be waited for where no other thread starts.
        let read = read(reader, &to_scanner, bar, stop);
        drop(to_scanner);
        let (scanned, digests) = (join(scan), join(hash));
        read.map(|()| (scanned, digests))
    })?;
    let found = Digest::from_bytes(digests.layer);
    if found != layer.digest {
        return Err(LayerError::Digest {
            expected: layer.digest,
            found,
        });
    }
    let scanned = match scanned {
        Err(error) if error.is_unindexable_tar() => {
            tracing::warn!(target: "soci", layer = %layer.digest, "no ztoc: {error}");
            return Ok(Built::Skipped(UnindexableReason::UnindexableTar));
        }
        other => other?,
    };
    finish(
        layer,
        &Ztoc::assemble(scanned, digests, recipe.build_tool_identifier)?,
        store,
    )
}

impl Rank {
    /// Starts a thread that gives way to those of the longest layer.
    fn spawn<'scope, T: Send + 'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, T>, LayerError> {
        let spawned = thread::Builder::new().spawn_scoped(scope, move || {
            if self == Self::Other {
                give_way();
            }
            work()
        });
        spawned.map_err(LayerError::Thread)
    }
}

/// Lowers the priority of this thread. Where that is not possible, the others get less time, and nothing else is wrong.
#[cfg(target_os = "linux")]
fn give_way() {
    // Linux takes this for the thread, where POSIX means the process (nice(2)).
    if let Err(error) = rustix::process::nice(GIVING_WAY) {
        tracing::debug!(target: "soci", "cannot lower the priority of a thread: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Reads the layer, piece by piece.
fn read(
    mut reader: BlobReader,
    pieces: &SyncSender<Bytes>,
    bar: &Bar,
    stop: &AtomicBool,
) -> Result<(), LayerError> {
    while let Some(piece) = reader.next_chunk()? {
        if stop.load(Ordering::Relaxed) {
            return Err(LayerError::Stopped);
        }
        bar.advance(piece.len() as u64);
        if pieces.send(piece).is_err() {
            break;
        }
    }
    Ok(())
}

/// Scans the pieces and hands them on. After damage the rest is handed on unscanned: the digest then tells whether the layer
/// is damaged, or is not the layer that the manifest names.
fn scan(
    scanner: LayerScanner,
    pieces: &Receiver<Bytes>,
    hasher: &SyncSender<Scanned>,
) -> Result<ScannedLayer, ScanError> {
    let mut state = Ok(scanner);
    for piece in pieces {
        let starts = match &mut state {
            Ok(scanner) => scanner.feed(&piece),
            Err(_) => Ok(Vec::new()),
        };
        let starts = starts.unwrap_or_else(|error| {
            state = Err(error);
            Vec::new()
        });
        if hasher.send((piece, starts)).is_err() {
            break;
        }
    }
    state?.finish()
}

/// Digests the layer and its spans.
fn hash(pieces: &Receiver<Scanned>) -> LayerDigests {
    let mut hasher = SpanHasher::new();
    for (piece, starts) in pieces {
        hasher.feed(&piece, &starts);
    }
    hasher.finish()
}

/// Stores a ztoc, unless readers would fail on what it describes.
fn finish(layer: &Descriptor, ztoc: &Ztoc, store: &Layout) -> Result<Built, LayerError> {
    if let Some((first, rules)) = harm(layer, ztoc) {
        tracing::warn!(target: "soci", layer = %layer.digest, rules, "no ztoc, since readers would fail on it: {first}");
        return Ok(Built::Skipped(UnindexableReason::UnreadableBySnapshotter));
    }
    let disable_xattrs = ztoc.can_disable_xattrs();
    let entries = ztoc.toc.len();
    let encoding = ztoc.encode_split()?;
    let checkpoints = &ztoc.compression_info.checkpoints;
    let stored = store.write_blob_parts(&[encoding.prefix(), checkpoints, encoding.suffix()])?;
    let Descriptor { digest, size, .. } = stored;
    tracing::info!(target: "soci", layer = %layer.digest, ztoc = %digest, bytes = size, entries, "built");
    Ok(Built::Ztoc {
        digest,
        size,
        disable_xattrs,
    })
}

/// Returns the first rule of the readers that a ztoc breaks in a way that would do harm, and how many there are.
///
/// A hard link without its target makes readers leave the layer to an ordinary pull, which harms nothing and is only said;
/// every other broken rule would show in the running container, as a refused image or as a file that cannot be read or reads
/// wrong.
pub(crate) fn harm(layer: &Descriptor, ztoc: &Ztoc) -> Option<(ReaderViolation, usize)> {
    let harmless = |rule: &ReaderViolation| matches!(rule, ReaderViolation::HardlinkTarget { .. });
    let (harmless, harmful): (Vec<_>, Vec<_>) =
        ztoc.reader_violations().into_iter().partition(harmless);
    let rules = harmful.len();
    if let Some(first) = harmful.into_iter().next() {
        return Some((first, rules));
    }
    if let Some(first) = harmless.first() {
        let rules = harmless.len();
        tracing::warn!(target: "soci", layer = %layer.digest, rules, "readers will not start this layer lazily: {first}");
    }
    None
}
