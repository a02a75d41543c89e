//! Sends blobs, manifests and tags that the destination does not hold.

mod blobs;
pub(crate) mod known_blobs;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use soci_cli::{Failure, ImageProgress, Share};
use soci_document::{Exit, ReferrersVia};
use soci_layout::Layout;
use soci_oci::{Descriptor, Digest};
use soci_transport::{Destination, PutOutcome, Referrers, Source, StoredName, TransportError};

use self::known_blobs::KnownBlobs;
use crate::content::{BlobSet, Manifest};

/// How many times a manifest is sent at most if the registry answers that it does not know one of
/// its blobs.
const UNKNOWN_BLOB_TRIES: u32 = 3;

/// Whether the destination is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Nothing is written, but what is missing is counted as if it were sent.
    DryRun,
    /// What is missing is sent.
    Write,
}

/// How many blobs, manifests and tags were sent.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// How many were sent.
    pub(crate) uploaded: AtomicU64,
    /// How many the destination held already.
    pub(crate) existing: AtomicU64,
    /// How many bytes were sent.
    pub(crate) bytes: AtomicU64,
}

impl Counts {
    fn add_uploaded(&self, bytes: u64) {
        self.uploaded.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn add_existing(&self) {
        self.existing.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a tag of a registry named before anything was sent.
pub(crate) struct SeenTag {
    tag: String,
    /// The manifest that it named. Absent if the registry did not have the tag.
    digest: Option<Digest>,
}

/// Sends the content of one image to its destination. It owns the list of blobs, because it sends
/// them again if the registry loses one.
pub(crate) struct Uploader<'a> {
    /// The destination. In a dry run it is absent if it is a layout or archive that does not exist;
    /// nothing is then found there.
    pub(crate) destination: Option<Destination>,
    pub(crate) mode: Mode,
    pub(crate) blobs: BlobSet,
    /// The store, which holds the blobs of the SOCI indexes.
    pub(crate) store: &'a Layout,
    /// The source of the image, if its blobs are copied.
    pub(crate) source: Option<&'a Source>,
    pub(crate) max_concurrent: NonZeroUsize,
    /// The share of the image in what bounds how many blobs are sent at a time.
    pub(crate) sending: Share<'a>,
    /// The blobs that the images of this run have found or sent.
    pub(crate) known_blobs: &'a KnownBlobs,
    /// The repository, layout or archive that is written.
    pub(crate) repository: String,
    pub(crate) image: ImageProgress,
    pub(crate) counts: Counts,
    /// The manifests and indexes of the image as it was pulled, which exist whether or not it was
    /// indexed before.
    pub(crate) originals: BTreeSet<Digest>,
    /// Whether the destination is a registry, where each look takes a request.
    pub(crate) is_registry: bool,
    /// Whether the registry lacked a ztoc of the image. It then has no manifest that this run has
    /// made, since each names its ztocs, directly or not.
    pub(crate) lacks_ztoc: AtomicBool,
    /// What the first tag of the image named before its new ztocs were sent, if it was looked up by
    /// then.
    pub(crate) seen_tag: OnceLock<SeenTag>,
}

impl Uploader<'_> {
    /// Returns whether the destination holds a manifest.
    pub(crate) fn has_manifest(&self, manifest: &Descriptor) -> Result<bool, Failure> {
        match &self.destination {
            Some(destination) => Ok(destination.has_manifest(manifest)?),
            None => Ok(false),
        }
    }

    /// Returns whether the destination may have a manifest.
    fn may_have(&self, manifest: &Descriptor) -> bool {
        !self.lacks_ztoc.load(Ordering::Relaxed) || self.originals.contains(&manifest.digest)
    }

    /// Sends a manifest, unless the destination holds it. Returns `None` if it was not sent.
    pub(crate) fn upload_manifest(
        &self,
        manifest: &Manifest,
    ) -> Result<Option<PutOutcome>, Failure> {
        let Manifest { descriptor, bytes } = manifest;
        let context = |failure: Failure| {
            failure.context_unless_named(format!("cannot push manifest `{}`", descriptor.digest))
        };
        if self.may_have(descriptor) && self.has_manifest(descriptor).map_err(context)? {
            self.counts.add_existing();
            return Ok(None);
        }
        let outcome = self
            .writable()
            .map(|destination| {
                self.put_with_blobs(destination, descriptor.digest, || {
                    destination.put_manifest(descriptor, bytes)
                })
            })
            .transpose()
            .map_err(context)?;
        self.counts.add_uploaded(bytes.len() as u64);
        Ok(outcome)
    }

    /// Checks that the destination has a manifest that was sent, unless this is a dry run.
    pub(crate) fn check_manifest(&self, manifest: &Manifest) -> Result<(), Failure> {
        let Manifest { descriptor, bytes } = manifest;
        let Some(destination) = self.writable() else {
            return Ok(());
        };
        let name = StoredName::Digest(descriptor.digest);
        destination
            .check_stored(name, bytes, None)
            .map_err(|error| {
                let what = format!("cannot push manifest `{}`", descriptor.digest);
                Failure::from(error).context_unless_named(what)
            })
    }

    /// Returns how many manifests are sent at a time. They have an order in a layout or archive.
    pub(crate) const fn max_concurrent_manifests(&self) -> NonZeroUsize {
        if self.is_registry {
            self.max_concurrent
        } else {
            NonZeroUsize::MIN
        }
    }

    /// Returns whether the destination has one of `tags`.
    pub(crate) fn has_any_tag(&self, tags: &[String]) -> Result<bool, Failure> {
        let Some(destination) = &self.destination else {
            return Ok(false);
        };
        for tag in tags {
            let found = destination.resolve_tag(tag).map_err(|error| {
                Failure::from(error).context_unless_named(format!("cannot look up the tag `{tag}`"))
            })?;
            if found.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks up the first tag of the image in a registry, if this tells how to send its ztocs. If
    /// the registry does not answer that, [`Uploader::set_tag`] asks again.
    fn see_tag(&self, tags: &[String]) -> Result<(), Failure> {
        if let Some(destination) = &self.destination
            && let Some(tag) = tags.first()
            && self.is_registry
            && !self.blobs.new_ztocs.is_empty()
        {
            match destination.resolve_tag(tag) {
                Ok(digest) => {
                    let tag = tag.clone();
                    self.seen_tag.get_or_init(|| SeenTag { tag, digest });
                }
                Err(error) if error.leaves_open() => {}
                Err(error) => {
                    let what = format!("cannot look up the tag `{tag}`");
                    return Err(Failure::from(error).context_unless_named(what));
                }
            }
        }
        Ok(())
    }

    /// Returns the manifest that a tag names. What was seen before anything was sent is believed if
    /// the tag did not exist, or named `wanted`: another run that has set it since makes no
    /// difference.
    fn resolve_tag(&self, tag: &str, wanted: Digest) -> Result<Option<Digest>, TransportError> {
        if let Some(seen) = self.seen_tag.get()
            && seen.tag == tag
            && seen.digest.is_none_or(|digest| digest == wanted)
        {
            return Ok(seen.digest);
        }
        match &self.destination {
            Some(destination) => destination.resolve_tag(tag),
            None => Ok(None),
        }
    }

    /// Points a tag to a manifest or index, unless it does so already. If `expected` is given, the
    /// tag is left as it is if it names another digest by now.
    pub(crate) fn set_tag(
        &self,
        tag: &str,
        manifest: &Manifest,
        expected: Option<Digest>,
    ) -> Result<(), Failure> {
        let Manifest { descriptor, bytes } = manifest;
        let context =
            |failure: Failure| failure.context_unless_named(format!("cannot set the tag `{tag}`"));
        let current = self
            .resolve_tag(tag, descriptor.digest)
            .map_err(|error| context(error.into()))?;
        if current == Some(descriptor.digest) {
            self.counts.add_existing();
            return Ok(());
        }
        if let (Some(expected), Some(current)) = (expected, current)
            && current != expected
        {
            let message = format!(
                "another run has pointed it to `{current}` meanwhile, expected `{expected}`"
            );
            let moved = Failure::message(Exit::TryAgain, message);
            return Err(context(moved.hint("run the tools again")));
        }
        if let Some(destination) = self.writable() {
            self.put_with_blobs(destination, descriptor.digest, || {
                destination.put_tag(tag, descriptor, bytes)
            })
            .map_err(context)?;
            destination
                .check_stored(StoredName::Tag(tag), bytes, current)
                .map_err(|error| context(error.into()))?;
        }
        self.counts.add_uploaded(bytes.len() as u64);
        Ok(())
    }

    /// Writes a manifest by calling `put`. If the registry answers that it does not know a blob of
    /// the manifest, missing blobs are sent again before the next attempt: some registries lose a
    /// blob, or know it only some time after the upload.
    fn put_with_blobs<T>(
        &self,
        destination: &Destination,
        manifest: Digest,
        put: impl Fn() -> Result<T, TransportError>,
    ) -> Result<T, Failure> {
        for attempt in 1..UNKNOWN_BLOB_TRIES {
            match put() {
                Err(error) if error.is_blob_unknown() => {}
                outcome => return Ok(outcome?),
            }
            destination.wait_for_blobs(manifest, attempt);
            self.send_lost_blobs()?;
        }
        Ok(put()?)
    }

    /// Lists the manifests of type `artifact_type` that refer to `subject`. Returns `None` if the
    /// destination does not exist.
    pub(crate) fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Option<Referrers>, TransportError> {
        self.destination
            .as_ref()
            .map(|destination| destination.list_referrers(subject, artifact_type))
            .transpose()
    }

    /// Lists `referrer` among the referrers of `subject`, as [`Destination::add_referrer`] does.
    /// Returns `None` in a dry run.
    pub(crate) fn add_referrer(
        &self,
        subject: Digest,
        referrer: &Descriptor,
        put: PutOutcome,
        known: Option<Referrers>,
    ) -> Result<Option<ReferrersVia>, TransportError> {
        self.writable()
            .map(|destination| destination.add_referrer(subject, referrer, put, known))
            .transpose()
    }

    /// Publishes what was sent and returns the counts.
    pub(crate) fn finish(self) -> Result<Counts, Failure> {
        if let (Mode::Write, Some(destination)) = (self.mode, self.destination) {
            destination.finish()?;
        }
        self.image.finish();
        Ok(self.counts)
    }

    /// Returns the destination, unless this is a dry run.
    fn writable(&self) -> Option<&Destination> {
        match self.mode {
            Mode::Write => self.destination.as_ref(),
            Mode::DryRun => None,
        }
    }
}
