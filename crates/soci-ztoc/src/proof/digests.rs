//! The digests of the spans and of the layer.

use super::finding::ProofFinding;
use super::tally::Findings;
use super::{ProofError, is_gzip};
use crate::packed_ztoc::PackedZtoc;
use crate::span::{SpanHasher, SpanStart};
use crate::ztoc::{Span, Ztoc};

/// Compares the digests of spans with the bytes of a layer that arrives in chunks.
///
/// Holds the spans, and one digest for each.
#[derive(Debug)]
pub struct DigestProof<'z> {
    ztoc: &'z Ztoc,
    spans: Vec<Span>,
    hasher: SpanHasher,
    /// Number of spans that have started.
    started: usize,
    position: u64,
}

/// Digest and size of a layer that was read to its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProvenLayer {
    /// SHA-256 of the layer.
    pub sha256: [u8; 32],
    /// Size of the layer in bytes.
    pub size: u64,
    /// The findings.
    pub findings: Findings,
}

impl<'z> DigestProof<'z> {
    /// Starts a proof.
    ///
    /// # Errors
    ///
    /// Returns [`ProofError::Spans`] if the spans of the ztoc are inconsistent.
    pub fn new(ztoc: &'z Ztoc) -> Result<Self, ProofError> {
        Ok(Self {
            ztoc,
            spans: ztoc.spans()?,
            hasher: SpanHasher::new(),
            started: 0,
            position: 0,
        })
    }

    /// Starts a proof of a ztoc whose entries are packed.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`DigestProof::new`].
    pub fn of_packed(ztoc: &'z PackedZtoc) -> Result<Self, ProofError> {
        Self::new(&ztoc.ztoc)
    }

    /// Hashes the next bytes of the layer.
    pub fn feed(&mut self, bytes: &[u8]) {
        let end = self.position.saturating_add(bytes.len() as u64);
        let mut starts = Vec::new();
        // The spans are those of the ztoc. Where they are out of order, the digests differ.
        while let Some(span) = self.spans.get(self.started) {
            let shared = u64::from(span.shared_bits != 0);
            let previous_end = span.compressed_start.saturating_add(shared);
            if previous_end > end {
                break;
            }
            starts.push(SpanStart {
                start: span.compressed_start,
                previous_end,
            });
            self.started = self.started.saturating_add(1);
        }
        self.hasher.feed(bytes, &starts);
        self.position = end;
    }

    /// Declares the end of the layer, and visits the findings.
    pub fn finish(self, mut visit: impl FnMut(ProofFinding)) -> ProvenLayer {
        let Self { ztoc, spans, .. } = self;
        let found = self.hasher.finish();
        let mut findings = Findings::default();
        if found.size != ztoc.compressed_archive_size {
            let finding = ProofFinding::LayerSize {
                recorded: ztoc.compressed_archive_size,
                found: found.size,
            };
            findings.add(finding, &mut visit);
        }
        let recorded = &ztoc.compression_info.span_digests;
        for ((index, span), recorded) in (0..).zip(&spans).zip(recorded) {
            let digest = usize::try_from(index).ok();
            let digest = digest.and_then(|index| found.spans.get(index));
            // Each span of a plain tar has a fixed place; those of gzip must follow one another.
            let is_in_place = !is_gzip(ztoc) || span.compressed_start <= span.compressed_end;
            if digest != Some(recorded) || !is_in_place {
                let finding = ProofFinding::SpanDigest {
                    span: index,
                    start: span.compressed_start,
                    end: span.compressed_end,
                };
                findings.add(finding, &mut visit);
            }
        }
        ProvenLayer {
            sha256: found.layer,
            size: found.size,
            findings,
        }
    }
}
