//! Sends the blobs that the destination does not hold.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;

use soci_cli::{Failure, ImageProgress, run_parallel};
use soci_layout::Layout;
use soci_oci::Descriptor;
use soci_transport::{ByteCounter, Destination, Source};

use super::{Counts, Uploader};

/// Whether the destination is asked for a blob before it is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Look {
    /// It is asked, since it may have the blob.
    First,
    /// It is not asked, because it most likely lacks the blob, which is small.
    Never,
}

/// What counts the blobs that are sent.
#[derive(Clone, Copy)]
struct Tally<'a> {
    counts: &'a Counts,
    image: &'a ImageProgress,
}

/// Where a blob is read from.
#[derive(Clone, Copy)]
enum BlobSource<'a> {
    Source(&'a Source),
    Store(&'a Layout),
}

impl Uploader<'_> {
    /// Sends the blobs that the destination does not hold.
    ///
    /// If a registry holds none of the ztocs, it holds no SOCI index of this image, and most likely
    /// none of another one. Their configuration, of two bytes, is then sent without a look.
    pub(crate) fn upload_blobs(&self) -> Result<(), Failure> {
        let tally = Tally {
            counts: &self.counts,
            image: &self.image,
        };
        self.send_image_blobs(tally)?;
        let held = self.counts.existing.load(Ordering::Relaxed);
        let store = BlobSource::Store(self.store);
        self.send_each(&self.blobs.ztocs, store, tally, Look::First)?;
        let held = self.counts.existing.load(Ordering::Relaxed) - held;
        let ztocs = self.blobs.ztocs.len() as u64;
        let lacks_ztoc = self.is_registry && held < ztocs;
        self.lacks_ztoc.store(lacks_ztoc, Ordering::Relaxed);
        let look = if lacks_ztoc && held == 0 {
            Look::Never
        } else {
            Look::First
        };
        self.send_each(&self.blobs.configs, store, tally, look)
    }

    /// Sends the blobs that the destination has lost.
    pub(super) fn send_lost_blobs(&self) -> Result<(), Failure> {
        // These blobs have been counted before.
        let tally = Tally {
            counts: &Counts::default(),
            image: &ImageProgress::hidden(),
        };
        self.send_image_blobs(tally)?;
        let store = BlobSource::Store(self.store);
        self.send_each(&self.blobs.ztocs, store, tally, Look::First)?;
        self.send_each(&self.blobs.configs, store, tally, Look::First)
    }

    /// Sends the blobs of the image, if it is copied.
    fn send_image_blobs(&self, tally: Tally<'_>) -> Result<(), Failure> {
        match self.source {
            Some(source) => {
                let source = BlobSource::Source(source);
                self.send_each(&self.blobs.image, source, tally, Look::First)
            }
            None => Ok(()),
        }
    }

    /// Sends blobs in parallel, the largest first, since it takes the longest.
    fn send_each(
        &self,
        blobs: &[Descriptor],
        from: BlobSource<'_>,
        tally: Tally<'_>,
        look: Look,
    ) -> Result<(), Failure> {
        let mut blobs: Vec<_> = blobs.iter().map(|blob| (blob.digest, blob)).collect();
        blobs.sort_by_key(|(_, blob)| Reverse(blob.size));
        run_parallel(&blobs, self.max_concurrent, |blob, _| {
            let sent = match look {
                Look::First => self.send_missing_blob(blob, from, tally),
                Look::Never => self.send_blob(blob, from, tally),
            };
            sent.map_err(|failure| {
                failure.context_unless_named(format!("cannot push blob `{}`", blob.digest))
            })
        })
        .map(drop)
    }

    /// Sends a blob, unless the destination holds it.
    fn send_missing_blob(
        &self,
        blob: &Descriptor,
        from: BlobSource<'_>,
        tally: Tally<'_>,
    ) -> Result<(), Failure> {
        let _in_work = (self.blobs_in_work).claim([(self.repository.clone(), blob.digest)]);
        if let Some(destination) = &self.destination
            && destination.has_blob(blob)?
        {
            tracing::debug!(blob = %blob.digest, "the destination has the blob already");
            tally.counts.add_existing();
            tally.image.skip_part(blob.size);
            return Ok(());
        }
        self.send_blob(blob, from, tally)
    }

    /// Sends a blob.
    fn send_blob(
        &self,
        blob: &Descriptor,
        from: BlobSource<'_>,
        Tally { counts, image }: Tally<'_>,
    ) -> Result<(), Failure> {
        let bytes = match self.writable() {
            Some(destination) => {
                let _sending = self.sending.acquire();
                let bar = image.start_part(&blob.digest.short(), blob.size);
                let bytes = from.send(blob, destination, bar.counter())?;
                bar.finish();
                bytes
            }
            None => blob.size,
        };
        counts.add_uploaded(bytes);
        Ok(())
    }
}

impl BlobSource<'_> {
    /// Sends a blob to the destination. Returns the number of bytes that were sent: none if the
    /// registry has mounted the blob from another repository.
    fn send(
        self,
        blob: &Descriptor,
        destination: &Destination,
        counter: &ByteCounter,
    ) -> Result<u64, Failure> {
        match self {
            Self::Source(source) => Ok(destination.copy_blob(blob, source, counter)?),
            Self::Store(store) => {
                let bytes = store.read_blob(blob, blob.size)?;
                destination.put_blob(blob, bytes, counter)?;
                Ok(blob.size)
            }
        }
    }
}
