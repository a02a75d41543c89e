//! The half of a proof that decompresses the layer.

use std::fmt;

use super::checkpoints::CheckpointProof;
use super::entries::EntryProof;
use super::finding::ProofFinding;
use super::tally::Findings;
use super::{ProofError, is_gzip};
use crate::error::ScanError;
use crate::gzip::event::GzipEvent;
use crate::gzip::scanner::GzipScanner;
use crate::limits::Limits;
use crate::packed_ztoc::PackedZtoc;
use crate::tar::reader::TarReader;
use crate::tar::toc::Toc;
use crate::ztoc::Ztoc;

/// Compares checkpoints and entries of a ztoc with a layer that arrives in chunks.
///
/// Holds about 500 KiB besides the ztoc and its spans.
pub struct ContentProof<'z> {
    ztoc: &'z Ztoc,
    gzip: Option<GzipProof<'z>>,
    tar: TarProof<'z>,
    findings: Findings,
    /// Why the layer cannot be decompressed.
    failure: Option<ScanError>,
}

/// The gzip stream of a layer.
struct GzipProof<'z> {
    scanner: Box<GzipScanner>,
    checkpoints: CheckpointProof<'z>,
}

/// The tar in a layer.
struct TarProof<'z> {
    reader: TarReader,
    entries: EntryProof<'z>,
    /// Uncompressed bytes of the layer so far.
    size: u64,
}

/// What of a layer was compared with its ztoc.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProvenContent {
    /// Entries of the tar.
    pub entries: u64,
    /// Spans of the ztoc.
    pub spans: u64,
    /// Uncompressed bytes of the layer, with what follows the end of the tar.
    pub bytes: u64,
    /// The findings.
    pub findings: Findings,
}

impl fmt::Debug for ContentProof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentProof").finish_non_exhaustive()
    }
}

impl<'z> ContentProof<'z> {
    /// Starts a proof.
    ///
    /// # Errors
    ///
    /// Returns [`ProofError::Spans`] if the spans of the ztoc are inconsistent, and
    /// [`ProofError::Scan`] if the decompressor cannot be allocated.
    pub fn new(ztoc: &'z Ztoc) -> Result<Self, ProofError> {
        Self::with_entries(ztoc, EntryProof::new(&ztoc.toc))
    }

    /// Starts a proof of a ztoc whose entries are packed. They stay so, unless their offsets are in
    /// another order than in the tar.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`ContentProof::new`].
    pub fn of_packed(ztoc: &'z PackedZtoc) -> Result<Self, ProofError> {
        Self::with_entries(&ztoc.ztoc, EntryProof::of_packed(&ztoc.entries))
    }

    fn with_entries(ztoc: &'z Ztoc, entries: EntryProof<'z>) -> Result<Self, ProofError> {
        let limits = Limits::default();
        let gzip = is_gzip(ztoc).then(|| {
            let scanner = GzipScanner::new(0, limits)?.reporting_block_starts();
            Ok::<_, ProofError>(GzipProof {
                scanner: Box::new(scanner),
                checkpoints: CheckpointProof::new(ztoc)?,
            })
        });
        Ok(Self {
            ztoc,
            gzip: gzip.transpose()?,
            tar: TarProof {
                reader: TarReader::new(limits),
                entries,
                size: 0,
            },
            findings: Findings::default(),
            failure: None,
        })
    }

    /// Compares the next bytes of the layer, and visits the findings. Nothing is compared after the
    /// layer has turned out to be unreadable.
    pub fn feed(&mut self, bytes: &[u8], mut visit: impl FnMut(ProofFinding)) {
        let Self {
            gzip,
            tar,
            findings,
            failure,
            ..
        } = self;
        if failure.is_some() {
            return;
        }
        let report: &mut dyn FnMut(ProofFinding) = &mut |finding| findings.add(finding, &mut visit);
        let Some(GzipProof {
            scanner,
            checkpoints,
        }) = gzip
        else {
            tar.feed(bytes, report);
            return;
        };
        let fed = scanner.feed(bytes, |event| match event {
            GzipEvent::Output(output) => {
                checkpoints.push_output(output);
                tar.feed(output, report);
            }
            GzipEvent::BlockStart(start) => checkpoints.push_block_start(start, report),
            GzipEvent::HeaderFault(error) => tar.reader.fail(error),
            GzipEvent::SpanStart(_) => {}
        });
        *failure = fed.err();
        checkpoints.push_layer(bytes, report);
    }

    /// Declares the end of the layer, and visits the remaining findings.
    pub fn finish(self, mut visit: impl FnMut(ProofFinding)) -> ProvenContent {
        let Self {
            ztoc,
            gzip,
            tar,
            mut findings,
            mut failure,
        } = self;
        let report: &mut dyn FnMut(ProofFinding) = &mut |finding| findings.add(finding, &mut visit);
        if let Some(GzipProof {
            scanner,
            checkpoints,
        }) = gzip
        {
            checkpoints.check_first(report);
            failure = failure.or_else(|| scanner.finish().err());
            if failure.is_none() {
                checkpoints.finish(report);
            }
        }
        tar.entries.check_order(report);
        let (entries, bytes) = (tar.entries.found(), tar.size);
        match failure {
            Some(error) => report(ProofFinding::Layer(error)),
            None => tar.finish(ztoc, report),
        }
        ProvenContent {
            entries,
            spans: ztoc.compression_info.span_digests.len() as u64,
            bytes,
            findings,
        }
    }
}

impl TarProof<'_> {
    /// Compares the entries in the next bytes of the tar.
    fn feed(&mut self, bytes: &[u8], report: &mut dyn FnMut(ProofFinding)) {
        self.size = self.size.saturating_add(bytes.len() as u64);
        self.reader.feed(bytes);
        let found = self.reader.take_entries();
        self.compare(&found, report);
    }

    fn compare(&mut self, found: &Toc, report: &mut dyn FnMut(ProofFinding)) {
        found.entries.for_each(|index, entry| {
            let is_truncated = found.truncated_ids.contains(&index);
            self.entries.compare(entry, is_truncated, report);
        });
    }

    /// Compares the end of the tar.
    fn finish(mut self, ztoc: &Ztoc, report: &mut dyn FnMut(ProofFinding)) {
        let rest = self.reader.take_entries();
        self.compare(&rest, report);
        let toc = match self.reader.finish() {
            Ok(toc) => toc,
            Err(error) => return report(ProofFinding::Layer(error)),
        };
        let recorded = ztoc.uncompressed_archive_size;
        if recorded != toc.uncompressed_size {
            report(ProofFinding::TarSize {
                recorded,
                found: toc.uncompressed_size,
                is_harmful: recorded > self.size || recorded < self.entries.contents_end(),
            });
        }
        self.entries.finish(report);
    }
}
