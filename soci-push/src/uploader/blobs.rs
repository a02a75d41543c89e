//! Sends the blobs that the destination does not hold.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

use soci_cli::{Failure, ImageProgress, run_both, run_parallel};
use soci_layout::Layout;
use soci_oci::{Descriptor, Digest};
use soci_transport::{ByteCounter, Destination, Source};

use super::known_blobs::Held;
use super::{Counts, Uploader};
use crate::content::{BlobSet, Manifest};

/// How many blobs are looked for at a time if the destination most likely has them.
const CONCURRENT_LOOKS: NonZeroUsize = NonZeroUsize::new(8).expect("not zero");

/// Whether the destination is asked for a blob before it is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Look {
    /// It is asked, unless this run knows that it has the blob.
    First,
    /// It is asked even if this run knows that it has the blob, because it may have lost it.
    Again,
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
    /// The new ztocs are sent without a look if the first of `tags` was seen not to name `tagged`,
    /// so that this is no repetition. A registry that holds no ztoc of the image holds no SOCI index
    /// of it, and most likely none of another image. Their configuration, of two bytes, is then sent
    /// without a look, too.
    pub(crate) fn upload_blobs(
        &self,
        tagged: Option<&Manifest>,
        tags: &[String],
    ) -> Result<(), Failure> {
        let tally = Tally {
            counts: &self.counts,
            image: &self.image,
        };
        self.send_image_blobs(tally, Look::First)?;
        let store = BlobSource::Store(self.store);
        let BlobSet {
            new_ztocs,
            ztocs: old_ztocs,
            configs,
            ..
        } = &self.blobs;
        let mut held = self.see_tag_and_send_old(tags, tally)?;
        let wanted = tagged.map(|manifest| manifest.descriptor.digest);
        let is_first = self
            .seen_tag
            .get()
            .is_some_and(|seen| seen.digest != wanted);
        let look = if is_first { Look::Never } else { Look::First };
        let mut blobs = after(new_ztocs, look);
        if is_first && old_ztocs.is_empty() {
            blobs.extend(after(configs, look));
        }
        held.extend(self.send_each(blobs, store, tally)?);
        let is_sent = |ztoc: &Descriptor| held.get(&ztoc.digest) == Some(&Held::Sent);
        let lacks_ztoc = new_ztocs.iter().chain(old_ztocs).any(is_sent);
        (self.lacks_ztoc).store(self.is_registry && lacks_ztoc, Ordering::Relaxed);
        if is_first || !old_ztocs.is_empty() {
            return Ok(());
        }
        let look = if self.is_registry && new_ztocs.iter().all(is_sent) {
            Look::Never
        } else {
            Look::First
        };
        self.send_each(after(configs, look), store, tally).map(drop)
    }

    /// Sends the ztocs of earlier runs and their configuration, and looks up the first of `tags` at
    /// the same time. Returns how the destination has each of these blobs.
    fn see_tag_and_send_old(
        &self,
        tags: &[String],
        tally: Tally<'_>,
    ) -> Result<BTreeMap<Digest, Held>, Failure> {
        let BlobSet { ztocs, configs, .. } = &self.blobs;
        if ztocs.is_empty() {
            return self.see_tag(tags).map(|()| BTreeMap::new());
        }
        let blobs = after(ztocs.iter().chain(configs), Look::First);
        let threads = self.max_concurrent.max(CONCURRENT_LOOKS);
        let store = BlobSource::Store(self.store);
        let (seen, sent) = run_both(
            || self.see_tag(tags),
            || self.send_each_in(threads, blobs, store, tally),
        );
        seen.and(sent)
    }

    /// Sends the blobs that the destination has lost.
    pub(super) fn send_lost_blobs(&self) -> Result<(), Failure> {
        // These blobs have been counted before.
        let tally = Tally {
            counts: &Counts::default(),
            image: &ImageProgress::hidden(),
        };
        self.send_image_blobs(tally, Look::Again)?;
        let stored = self.blobs.new_ztocs.iter().chain(&self.blobs.ztocs);
        let stored = after(stored.chain(&self.blobs.configs), Look::Again);
        let store = BlobSource::Store(self.store);
        self.send_each(stored, store, tally).map(drop)
    }

    /// Sends the blobs of the image, if it is copied.
    fn send_image_blobs(&self, tally: Tally<'_>, look: Look) -> Result<(), Failure> {
        let Some(source) = self.source else {
            return Ok(());
        };
        let source = BlobSource::Source(source);
        let blobs = after(&self.blobs.image, look);
        self.send_each(blobs, source, tally).map(drop)
    }

    /// Sends blobs in parallel, the largest first, since it takes the longest. Returns how the
    /// destination has each.
    fn send_each(
        &self,
        blobs: Vec<(Digest, (&Descriptor, Look))>,
        from: BlobSource<'_>,
        tally: Tally<'_>,
    ) -> Result<BTreeMap<Digest, Held>, Failure> {
        self.send_each_in(self.max_concurrent, blobs, from, tally)
    }

    /// Does the same in a given number of threads. How many blobs are sent at a time is bounded all
    /// the same.
    fn send_each_in(
        &self,
        threads: NonZeroUsize,
        mut blobs: Vec<(Digest, (&Descriptor, Look))>,
        from: BlobSource<'_>,
        tally: Tally<'_>,
    ) -> Result<BTreeMap<Digest, Held>, Failure> {
        blobs.sort_by_key(|(_, (blob, _))| Reverse(blob.size));
        run_parallel(&blobs, threads, |(blob, look), _| {
            self.send_missing_blob(blob, from, tally, *look)
                .map_err(|failure| {
                    failure.context_unless_named(format!("cannot push blob `{}`", blob.digest))
                })
        })
    }

    /// Sends a blob, unless the destination holds it. Returns how the destination has it.
    fn send_missing_blob(
        &self,
        blob: &Descriptor,
        from: BlobSource<'_>,
        tally: Tally<'_>,
        look: Look,
    ) -> Result<Held, Failure> {
        let known = self.known_blobs.claim(&self.repository, blob.digest);
        // What is sent to an archive is lost if the image fails.
        let known_held = known.get().filter(|_| self.is_registry);
        let held = match (look, known_held) {
            (Look::First | Look::Never, Some(held)) => Some(held),
            (Look::Never, None) => None,
            (Look::First, None) | (Look::Again, _) => self.find_blob(blob)?,
        };
        let held = if let Some(held) = held {
            tracing::debug!(blob = %blob.digest, "the destination has the blob already");
            tally.counts.add_existing();
            tally.image.skip_part(blob.size);
            held
        } else {
            self.send_blob(blob, from, tally)?;
            Held::Sent
        };
        known.set(held);
        Ok(held)
    }

    /// Asks the destination for a blob.
    fn find_blob(&self, blob: &Descriptor) -> Result<Option<Held>, Failure> {
        let is_held = match &self.destination {
            Some(destination) => destination.has_blob(blob)?,
            None => false,
        };
        Ok(is_held.then_some(Held::Found))
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

/// Returns blobs with their digests, and with how the destination is asked for them.
fn after<'a>(
    blobs: impl IntoIterator<Item = &'a Descriptor>,
    look: Look,
) -> Vec<(Digest, (&'a Descriptor, Look))> {
    let blobs = blobs.into_iter();
    blobs.map(|blob| (blob.digest, (blob, look))).collect()
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
