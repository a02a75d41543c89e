//! One image: what is pushed for it, and in which order.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::time::Instant;

use soci_cli::{Failure, Progress};
use soci_document::{Document, Exit, Push, ReferrersVia, Timing};
use soci_layout::Layout;
use soci_oci::media_type::SOCI_INDEX_V1;
use soci_oci::{Descriptor, Reference, layer};
use soci_transport::{Destination, PutOutcome, Referrers, Session, Source};

use crate::args::{ExistingIndex, Mode};
use crate::content::{Content, Origin, is_soci_config};
use crate::tags::Tags;
use crate::upload::{Count, Upload, from_source, from_store};

/// What pushes indexes.
pub(crate) struct Pusher {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    pub(crate) to: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) existing_index: ExistingIndex,
    pub(crate) uploads: NonZeroUsize,
    pub(crate) mode: Mode,
}

impl Pusher {
    /// Pushes what a document names.
    pub(crate) fn push(
        &self,
        mut document: Document,
        progress: &Progress,
    ) -> Result<Document, Failure> {
        let started = Instant::now();
        if document.plan.is_none()
            || document
                .manifests
                .iter()
                .all(|entry| entry.index.is_pending())
        {
            return Err(Failure::message(Exit::BadData, "the document has no index")
                .hint("pass it through soci-index first"));
        }
        let image = document.image.reference().clone();
        let to: Reference = match &self.to {
            Some(to) => to
                .parse()
                .map_err(|error| Failure::new(Exit::Usage, error))?,
            None => image.clone(),
        };
        let tags = Tags {
            templates: &self.tags,
            to: self.to.as_deref(),
            place: &to,
            source: &image,
        }
        .of(&document)?;
        let source = if to.same_place(&image) {
            None
        } else {
            Some(Source::open(&self.session, &image)?)
        };
        let content = Origin {
            store: &self.store,
            copied_from: source.as_ref(),
        }
        .gather(&document)?;
        let destination = self.open(&to)?;
        let send_blobs = |upload: &Upload<'_>| self.blobs(upload, &content, source.as_ref());
        let upload = Upload {
            destination: destination.as_ref(),
            mode: self.mode,
            count: Count::default(),
            progress,
            send_blobs: &send_blobs,
        };
        send_blobs(&upload)?;
        let referrers = self.manifests(&upload, &content)?;
        let tags = tag(&upload, &content, &tags, &to)?;
        let Upload { count, .. } = upload;
        if let (Mode::Write, Some(destination)) = (self.mode, destination) {
            destination.finish()?;
        }
        let push = record(&count, &to, tags, referrers, self.mode);
        tell(document.image.as_str(), &push);
        let timing = Timing {
            seconds: started.elapsed().as_secs_f64(),
            bytes: push.bytes,
        };
        document.push = Some(push);
        document.timing.insert("push".to_owned(), timing);
        Ok(document)
    }

    /// Opens the destination. A dry run makes nothing: a layout or archive that is not there holds nothing.
    fn open(&self, to: &Reference) -> Result<Option<Destination>, Failure> {
        if let (Mode::DryRun, Reference::Layout { path, .. } | Reference::Archive { path, .. }) =
            (self.mode, to)
            && !path.exists()
        {
            return Ok(None);
        }
        Ok(Some(Destination::open(&self.session, to)?))
    }

    /// Pushes the blobs: those of the SOCI indexes from the store, those of a copied image from its own place.
    fn blobs(
        &self,
        upload: &Upload<'_>,
        content: &Content,
        copied: Option<&Source>,
    ) -> Result<(), Failure> {
        if let Some(source) = copied {
            let mut blobs = Vec::new();
            for blob in content.image_blobs.values() {
                if !layer::is_foreign(&blob.media_type) || source.has_blob(blob)? {
                    blobs.push(blob);
                }
            }
            upload.blobs(blobs.into_iter(), self.uploads, |place, blob| {
                from_source(source, place, blob)
            })?;
        }
        let (configs, ztocs): (Vec<_>, Vec<_>) = content
            .blobs
            .values()
            .partition(|blob| is_soci_config(blob));
        for blobs in [ztocs, configs] {
            upload.blobs(blobs.into_iter(), self.uploads, |place, blob| {
                from_store(&self.store, place, blob)
            })?;
        }
        Ok(())
    }

    /// Pushes the manifests and lets readers find the SOCI indexes of version 1.
    fn manifests(&self, upload: &Upload<'_>, content: &Content) -> Result<ReferrersVia, Failure> {
        for (manifest, bytes) in &content.manifests {
            if content
                .tagged
                .as_ref()
                .is_none_or(|(tagged, _)| tagged.digest != manifest.digest)
            {
                upload.manifest(manifest, bytes)?;
            }
        }
        let mut via = ReferrersVia::None;
        for (subject, index, bytes) in &content.referrers {
            via = self.refer(upload, subject, index, bytes)?.unwrap_or(via);
        }
        Ok(via)
    }

    /// Pushes a SOCI index of version 1 and lets readers find it from its image manifest. Nothing, where it is left out
    /// since the image has another one.
    fn refer(
        &self,
        upload: &Upload<'_>,
        subject: &Descriptor,
        index: &Descriptor,
        bytes: &[u8],
    ) -> Result<Option<ReferrersVia>, Failure> {
        let mut listed = None;
        if self.existing_index == ExistingIndex::Skip {
            listed = list(upload, subject).map_err(|failure| {
                failure.context(format!("cannot list the referrers of `{}`", subject.digest))
            })?;
            // A list in a tag may name what is gone.
            for other in others(listed.as_ref(), index) {
                if upload.holds(other)? {
                    warn_of(subject, other, "left as it is");
                    return Ok(None);
                }
            }
        }
        let put = upload.manifest(index, bytes)?;
        let unlisted = |failure: Failure| {
            failure.context(format!(
                "pushed the index `{}`, but cannot list it as a referrer of `{}`",
                index.digest, subject.digest
            ))
        };
        // A list that cannot be read keeps no index back, unless that depends on the list.
        if self.existing_index == ExistingIndex::Warn {
            listed = list(upload, subject).map_err(unlisted)?;
            if let Some(other) = others(listed.as_ref(), index).next() {
                warn_of(subject, other, "another one is pushed beside it");
            }
        }
        let (Mode::Write, Some(place)) = (upload.mode, upload.destination) else {
            return Ok(None);
        };
        // An index that was there already may have lost its entry in the fallback tag: look again.
        let put = put.unwrap_or(PutOutcome::Stored);
        let via = place.add_referrer(subject.digest, index, put, listed);
        via.map(Some).map_err(|error| unlisted(error.into()))
    }
}

/// Lists the SOCI indexes of version 1 that an image has. Nothing, where there is no place to look.
fn list(upload: &Upload<'_>, subject: &Descriptor) -> Result<Option<Referrers>, Failure> {
    let listed = upload
        .destination
        .map(|place| place.list_referrers(subject.digest, SOCI_INDEX_V1));
    Ok(listed.transpose()?)
}

/// Returns the indexes of version 1 that are others than ours.
fn others<'a>(
    listed: Option<&'a Referrers>,
    index: &'a Descriptor,
) -> impl Iterator<Item = &'a Descriptor> {
    let listed = listed.into_iter().flat_map(|listed| &listed.descriptors);
    listed.filter(|other| other.digest != index.digest)
}

/// Warns that an image has another index of version 1, and says what becomes of ours.
fn warn_of(subject: &Descriptor, other: &Descriptor, what: &str) {
    tracing::warn!(target: "soci", manifest = %subject.digest, index = %other.digest, "the image has an index of version 1; {what}");
}

/// Pushes the converted image under its tags, and returns the tags as references.
fn tag(
    upload: &Upload<'_>,
    content: &Content,
    tags: &[String],
    to: &Reference,
) -> Result<Vec<String>, Failure> {
    let Some((tagged, bytes)) = &content.tagged else {
        return Ok(Vec::new());
    };
    if tags.is_empty() {
        tracing::warn!(target: "soci", digest = %tagged.digest, "the converted image gets no tag, since the source has none; name one with --tag");
    }
    // A layout's tag points at a blob that must be there first; a registry takes the manifest with its tag.
    if tags.is_empty() || !matches!(to, Reference::Registry(_)) {
        upload.manifest(tagged, bytes)?;
    }
    for tag in tags {
        upload.tag(tag, tagged, bytes)?;
    }
    Ok(tags
        .iter()
        .map(|tag| format!("{}:{tag}", place(to)))
        .collect())
}

/// Says what was pushed, or what would have been.
fn tell(image: &str, push: &Push) {
    let Push {
        uploaded,
        existing,
        bytes,
        dry_run,
        ..
    } = push;
    let done = if *dry_run { "would push" } else { "pushed" };
    tracing::info!(target: "soci", image, uploaded, existing, bytes, "{done}");
}

/// Records what was pushed.
fn record(
    count: &Count,
    to: &Reference,
    tags: Vec<String>,
    referrers: ReferrersVia,
    mode: Mode,
) -> Push {
    Push {
        repository: place(to),
        tags,
        referrers,
        uploaded: count.uploaded.load(Ordering::Relaxed),
        existing: count.existing.load(Ordering::Relaxed),
        bytes: count.bytes.load(Ordering::Relaxed),
        dry_run: mode == Mode::DryRun,
    }
}

/// Returns the place of a reference, without the image in it.
fn place(reference: &Reference) -> String {
    match reference {
        Reference::Registry(reference) => {
            format!("{}/{}", reference.registry, reference.repository)
        }
        Reference::Layout { path, .. } => format!("oci:{}", path.display()),
        Reference::Archive { path, .. } => format!("oci-archive:{}", path.display()),
    }
}
