//! Builds the ztoc of one layer in one pass, with three threads: one reads the layer, one
//! decompresses and scans it, one computes the digests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use bytes::Bytes;
use soci_cli::Bar;
use soci_document::{Classify, Exit, UnindexableReason};
use soci_layout::Layout;
use soci_oci::{Algorithm, Descriptor, Digest, Hasher};
use soci_transport::{BlobReader, TransportError};
use soci_ztoc::{
    ContentFormat, EncodeError, LayerDigests, LayerScanner, Limits, PackedZtoc, ScanError,
    ScannedLayer, SpanHasher, SpanStart,
};

use crate::cache::CacheKey;
use crate::diagnosis::Diagnosis;
use crate::large_tables::{LARGE_TABLE, LargeTable, LargeTables};
use crate::outcome::{LayerOutcome, SkippedLayer, StoredZtoc};
use crate::priority::Priority;
use crate::violations::find_blocking_rules;

/// How many chunks may wait between two threads: enough to even out their speeds, few enough to
/// bound memory.
const QUEUE_LENGTH: usize = 4;

/// How many bytes are scanned before the memory of the table of files is looked at. They may be a
/// thousand times as many when they are decompressed.
const SCANNED_BYTES: usize = 32 << 10;

/// Why a layer that was to be indexed has no ztoc.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    #[error(transparent)]
    Read(#[from] TransportError),
    #[error("the layer is not the one that the manifest names: its digest is `{found}`")]
    Digest { found: Box<Digest> },
    #[error("cannot scan the layer")]
    Scan(#[from] ScanError),
    #[error("cannot encode the ztoc")]
    Encode(#[from] EncodeError),
    #[error("cannot store the ztoc")]
    Store(#[from] soci_layout::LayoutError),
    #[error("scanner and hasher disagree, which is a bug")]
    Assemble(#[from] soci_ztoc::AssembleError),
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    #[error("stopped, since another layer failed")]
    Stopped,
    #[error("stopped, since another layer has a large table of files")]
    TwoLargeTables,
}

impl Classify for LayerError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(error) => error.exit(),
            Self::Store(error) => error.exit(),
            Self::Digest { .. } | Self::Scan(_) | Self::Encode(_) => Exit::BadData,
            Self::Thread(_) => Exit::Io,
            Self::Assemble(_) | Self::Stopped | Self::TwoLargeTables => Exit::Internal,
        }
    }

    fn names_object(&self) -> bool {
        matches!(self, Self::Read(error) if error.names_object())
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Read(error) => error.hint(),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}

/// A chunk of a layer, and the spans that start in it.
struct ScannedChunk {
    bytes: Bytes,
    span_starts: Vec<SpanStart>,
}

/// A layer that was read to its end.
struct ReadLayer<'a> {
    scan: Scan<'a>,
    hashed: HashedLayer,
}

/// The digests of a layer.
struct HashedLayer {
    /// The SHA-256 digests of the layer and of its spans.
    digests: LayerDigests,
    /// The digest of the layer by the algorithm of its descriptor.
    layer: Digest,
}

/// The result of scanning a layer.
struct Scan<'a> {
    /// What the ztoc is made of, or what is wrong with the layer.
    result: Result<ScannedLayer, ScanError>,
    /// The first [`ContentFormat::PREFIX_LENGTH`] bytes of the layer, or all if it has fewer.
    first_bytes: Vec<u8>,
    /// The permission to have a large table of files, if the scan has it.
    large_table: Option<LargeTable<'a>>,
    /// Whether the scan was stopped, because it needed this permission and another layer has it.
    is_stopped: bool,
}

/// What is needed to build the ztoc of a layer.
pub(crate) struct ZtocBuild<'a> {
    pub(crate) layer: &'a Descriptor,
    pub(crate) key: &'a CacheKey<'a>,
    pub(crate) priority: Priority,
    pub(crate) store: &'a Layout,
    /// The largest ztoc to build, in bytes.
    pub(crate) max_ztoc_size: u64,
    pub(crate) large_tables: &'a LargeTables,
    /// Set when another layer has failed, to end this build early.
    pub(crate) stop: &'a AtomicBool,
}

impl<'a> ZtocBuild<'a> {
    /// Reads the layer from `reader`, builds its ztoc and stores it. `bar` shows how much of the
    /// layer has been read.
    ///
    /// # Errors
    ///
    /// Returns an error if the layer cannot be read or has another digest, if the ztoc cannot be
    /// stored, or if `stop` was set. A layer with the right digest that cannot be indexed is not an
    /// error, but is skipped. Returns [`LayerError::TwoLargeTables`] if `large_table` is not given,
    /// but needed, and another layer has it.
    pub(crate) fn run(
        &self,
        reader: BlobReader,
        bar: &Bar,
        large_table: Option<LargeTable<'a>>,
    ) -> Result<LayerOutcome, LayerError> {
        let ReadLayer { scan, hashed } = self.read_layer(reader, bar, large_table)?;
        if scan.is_stopped {
            return Err(LayerError::TwoLargeTables);
        }
        // Other layers may have a large table when this one is stored.
        let _large_table = scan.large_table;
        // The digest comes first: it tells a layer that was damaged on the way from one that cannot
        // be indexed.
        let found = hashed.layer;
        if found != self.layer.digest {
            return Err(LayerError::Digest {
                found: Box::new(found),
            });
        }
        let scanned = match scan.result {
            Ok(scanned) => scanned,
            Err(error) => {
                let diagnosis = Diagnosis {
                    layer: self.layer,
                    compression: self.key.compression,
                    first_bytes: &scan.first_bytes,
                };
                return Ok(self.skip(diagnosis.explain(error)?));
            }
        };
        let ztoc = PackedZtoc::assemble(scanned, hashed.digests, self.key.build_tool_identifier)?;
        self.store_ztoc(&ztoc)
    }

    /// Logs that the layer is skipped.
    fn skip(&self, skipped: SkippedLayer) -> LayerOutcome {
        let skipped = skipped.within(self.max_ztoc_size);
        skipped.log(self.layer.digest);
        LayerOutcome::Skipped(skipped)
    }

    /// Reads the layer to its end, scans it and computes its digests.
    fn read_layer(
        &self,
        reader: BlobReader,
        bar: &Bar,
        large_table: Option<LargeTable<'a>>,
    ) -> Result<ReadLayer<'a>, LayerError> {
        let limits = Limits {
            table_bytes: self.max_ztoc_size / 4,
            ztoc_bytes: self.max_ztoc_size,
            ..Limits::default()
        };
        let CacheKey {
            compression,
            span_size,
            ..
        } = *self.key;
        let mut scanner = LayerScanner::with_limits(compression, span_size, limits)?;
        scanner.reserve_for(self.layer.size);
        let tables = Tables {
            all: self.large_tables,
            own: large_table,
        };
        thread::scope(|scope| {
            let (to_scanner, chunks) = sync_channel(QUEUE_LENGTH);
            let (to_hasher, scanned_chunks) = sync_channel(QUEUE_LENGTH);
            let algorithm = self.layer.digest.algorithm();
            let hash = move || hash_chunks(&scanned_chunks, algorithm);
            let scan = move || scan_chunks(scanner, &chunks, &to_hasher, tables);
            let hashing = self.priority.spawn(scope, hash);
            let hashing = hashing.map_err(LayerError::Thread)?;
            let scanning = self.priority.spawn(scope, scan);
            let scanning = scanning.map_err(LayerError::Thread)?;
            // This thread reads, since it mostly waits for the network.
            let read = self.read_chunks(reader, &to_scanner, bar);
            drop(to_scanner);
            let layer = ReadLayer {
                scan: join(scanning),
                hashed: join(hashing),
            };
            read.map(|()| layer)
        })
    }

    /// Sends the chunks of the layer to the scanner.
    fn read_chunks(
        &self,
        mut reader: BlobReader,
        scanner: &SyncSender<Bytes>,
        bar: &Bar,
    ) -> Result<(), LayerError> {
        while let Some(chunk) = reader.next_chunk()? {
            if self.stop.load(Ordering::Relaxed) {
                return Err(LayerError::Stopped);
            }
            bar.advance(chunk.len() as u64);
            if scanner.send(chunk).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Stores a ztoc, unless readers would fail on it.
    fn store_ztoc(&self, ztoc: &PackedZtoc) -> Result<LayerOutcome, LayerError> {
        let layer = self.layer;
        if let Some(broken) = find_blocking_rules(layer, ztoc) {
            let reason = UnindexableReason::UnreadableBySnapshotter;
            return Ok(self.skip(SkippedLayer::new(reason, broken.to_string())));
        }
        let encoded = match ztoc.encode(self.max_ztoc_size) {
            Err(error @ EncodeError::TooLarge { .. }) => {
                let reason = UnindexableReason::ZtocTooLarge;
                return Ok(self.skip(SkippedLayer::new(reason, error.to_string())));
            }
            encoded => encoded?,
        };
        let Descriptor { digest, size, .. } = self
            .store
            .write_blob_with(|writer| encoded.write_to(|part| writer.write(part)))?;
        let entries = ztoc.entry_count();
        tracing::info!(layer = %layer.digest, ztoc = %digest, bytes = size, entries, "built");
        Ok(LayerOutcome::Ztoc(StoredZtoc {
            digest,
            size,
            disable_xattrs: ztoc.can_disable_xattrs(),
        }))
    }
}

/// Waits for a thread. A panic of the thread goes on in this one.
fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The permission to have a large table of files, and where it is taken.
struct Tables<'a> {
    all: &'a LargeTables,
    own: Option<LargeTable<'a>>,
}

impl Tables<'_> {
    /// Returns whether a table that takes this many bytes of memory is permitted now.
    fn permit(&mut self, memory: u64) -> bool {
        if memory > LARGE_TABLE && self.own.is_none() {
            self.own = self.all.take();
            return self.own.is_some();
        }
        true
    }
}

/// Scans chunks and passes them on to the hasher. After an error the remaining chunks are passed on
/// unscanned, because the digest of the whole layer tells whether it is the one that the manifest
/// names.
fn scan_chunks<'a>(
    scanner: LayerScanner,
    chunks: &Receiver<Bytes>,
    hasher: &SyncSender<ScannedChunk>,
    mut tables: Tables<'a>,
) -> Scan<'a> {
    let mut is_stopped = false;
    let mut scan = Ok(scanner);
    let mut first_bytes = Vec::new();
    for bytes in chunks {
        let missing = ContentFormat::PREFIX_LENGTH.saturating_sub(first_bytes.len());
        first_bytes.extend(bytes.iter().take(missing));
        let mut span_starts = Vec::new();
        for part in bytes.chunks(SCANNED_BYTES) {
            let Ok(scanner) = &mut scan else { break };
            match scanner.feed(part) {
                Ok(starts) => span_starts.extend(starts),
                Err(error) => scan = Err(error),
            }
            let memory = scan.as_ref().map_or(0, LayerScanner::table_memory);
            is_stopped = !tables.permit(memory);
            if is_stopped {
                break;
            }
        }
        if is_stopped {
            break;
        }
        if hasher.send(ScannedChunk { bytes, span_starts }).is_err() {
            break;
        }
    }
    Scan {
        result: scan.and_then(LayerScanner::finish),
        first_bytes,
        large_table: tables.own,
        is_stopped,
    }
}

/// Computes the digests of the layer and of its spans.
fn hash_chunks(chunks: &Receiver<ScannedChunk>, algorithm: Algorithm) -> HashedLayer {
    let mut hasher = SpanHasher::new();
    let mut other = (algorithm != Algorithm::Sha256).then(|| Hasher::new(algorithm));
    for chunk in chunks {
        hasher.feed(&chunk.bytes, &chunk.span_starts);
        if let Some(other) = &mut other {
            other.update(&chunk.bytes);
        }
    }
    let digests = hasher.finish();
    let sha256 = Digest::from_bytes(digests.layer);
    HashedLayer {
        layer: other.map_or(sha256, Hasher::finish),
        digests,
    }
}
