//! Sending what a place does not hold.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use soci_cli::{Failure, Progress, in_parallel};
use soci_layout::Layout;
use soci_oci::Descriptor;
use soci_transport::{Destination, PutOutcome, Source, TransportError};

use crate::args::Mode;

/// What was sent, and what was there.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) uploaded: AtomicU64,
    pub(crate) existing: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl Count {
    pub(crate) fn sent(&self, bytes: u64) {
        self.uploaded.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn found(&self) {
        self.existing.fetch_add(1, Ordering::Relaxed);
    }
}

/// A place, and how to send to it. In a dry run a layout or archive may not be there yet.
pub(crate) struct Upload<'a> {
    pub(crate) destination: Option<&'a Destination>,
    pub(crate) mode: Mode,
    pub(crate) count: Count,
    pub(crate) progress: &'a Progress,
    /// Sends the blobs that manifests name, where the place does not hold them.
    pub(crate) send_blobs: &'a (dyn Fn(&Upload<'_>) -> Result<(), Failure> + Sync),
}

/// How often a manifest is sent whose blobs the place says that it does not know.
const UNKNOWN_BLOB_TRIES: u32 = 3;

impl Upload<'_> {
    /// Sends those of `blobs` that the place does not hold, `at_once` at a time.
    pub(crate) fn blobs<'b>(
        &self,
        blobs: impl Iterator<Item = &'b Descriptor>,
        at_once: NonZeroUsize,
        send: impl Fn(&Destination, &Descriptor) -> Result<u64, Failure> + Sync,
    ) -> Result<(), Failure> {
        let mut blobs: Vec<_> = blobs.map(|blob| (blob.digest, blob)).collect();
        // The largest first: it is the one that the others wait for.
        blobs.sort_by_key(|(_, blob)| std::cmp::Reverse(blob.size));
        in_parallel(&blobs, at_once, |blob, _| {
            self.blob(blob, &send)
                .map_err(|failure| failure.context(format!("cannot push blob `{}`", blob.digest)))
        })
        .map(drop)
    }

    fn blob(
        &self,
        blob: &Descriptor,
        send: &impl Fn(&Destination, &Descriptor) -> Result<u64, Failure>,
    ) -> Result<(), Failure> {
        let there = self
            .destination
            .map(|place| place.has_blob(blob))
            .transpose()?;
        if there == Some(true) {
            self.count.found();
            return Ok(());
        }
        let bytes = match (self.mode, self.destination) {
            (Mode::Write, Some(place)) => {
                let bar = self.progress.bar(&blob.digest.short(), blob.size);
                let bytes = send(place, blob)?;
                bar.advance(blob.size);
                bytes
            }
            _ => blob.size,
        };
        self.count.sent(bytes);
        Ok(())
    }

    /// Says whether the place holds a manifest.
    pub(crate) fn holds(&self, manifest: &Descriptor) -> Result<bool, Failure> {
        let there = self
            .destination
            .map(|place| place.has_manifest(manifest))
            .transpose()?;
        Ok(there == Some(true))
    }

    /// Sends a manifest, unless the place holds it. Returns what the place did with it, where it was sent.
    pub(crate) fn manifest(
        &self,
        manifest: &Descriptor,
        bytes: &[u8],
    ) -> Result<Option<PutOutcome>, Failure> {
        let context = || format!("cannot push manifest `{}`", manifest.digest);
        if self
            .holds(manifest)
            .map_err(|failure| failure.context(context()))?
        {
            self.count.found();
            return Ok(None);
        }
        let put = match (self.mode, self.destination) {
            (Mode::Write, Some(place)) => Some(
                self.mending(place, manifest, || place.put_manifest(manifest, bytes))
                    .map_err(|failure| failure.context(context()))?,
            ),
            _ => None,
        };
        self.count.sent(bytes.len() as u64);
        Ok(put)
    }

    /// Writes a manifest by `put`, again once its blobs are there where the place does not know one of them: some registries
    /// lose one, or learn of it late.
    fn mending<T>(
        &self,
        place: &Destination,
        manifest: &Descriptor,
        put: impl Fn() -> Result<T, TransportError>,
    ) -> Result<T, Failure> {
        for count in 1..UNKNOWN_BLOB_TRIES {
            match put() {
                Err(error) if error.is_blob_unknown() => {}
                other => return Ok(other?),
            }
            place.wait_for_blobs(manifest.digest, count);
            let again = Upload {
                count: Count::default(),
                ..*self
            };
            (self.send_blobs)(&again)?;
        }
        Ok(put()?)
    }

    /// Gives a tag to a manifest or index, unless it has it.
    pub(crate) fn tag(
        &self,
        tag: &str,
        manifest: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let context = || format!("cannot set the tag `{tag}`");
        let now = self
            .destination
            .map(|place| place.resolve_tag(tag))
            .transpose();
        let now = now
            .map_err(|error| Failure::from(error).context(context()))?
            .flatten();
        if now == Some(manifest.digest) {
            self.count.found();
            return Ok(());
        }
        if let (Mode::Write, Some(place)) = (self.mode, self.destination) {
            self.mending(place, manifest, || place.put_tag(tag, manifest, bytes))
                .map_err(|failure| failure.context(context()))?;
        }
        self.count.sent(bytes.len() as u64);
        Ok(())
    }
}

/// Sends a blob of the store.
pub(crate) fn from_store(
    store: &Layout,
    place: &Destination,
    blob: &Descriptor,
) -> Result<u64, Failure> {
    let bytes = store.read_blob(blob, blob.size)?;
    place.put_blob(blob, bytes)?;
    Ok(blob.size)
}

/// Sends a blob of the image's own place.
pub(crate) fn from_source(
    source: &Source,
    place: &Destination,
    blob: &Descriptor,
) -> Result<u64, Failure> {
    Ok(place.copy_blob(blob, source)?)
}
