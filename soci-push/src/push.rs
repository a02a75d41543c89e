//! Pushes one image: resolves its targets, gathers its content, uploads its blobs and publishes it.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use soci_cli::{Failure, ImageProgress, InWork, Permits, Processed, Progress, Work};
use soci_document::{Document, Exit, Push, PushedTag, ReferrersVia, Summary, Timing};
use soci_layout::Layout;
use soci_oci::{Digest, Reference};
use soci_transport::{Destination, Session, Source};

use crate::claims::{Claim, Claims};
use crate::content::{BlobSet, earlier_indexes, gather};
use crate::publish::publish;
use crate::referrers::ExistingIndex;
use crate::tags::{KnownTags, TagNaming, parse_destination};
use crate::targets::Targets;
use crate::uploader::known_blobs::KnownBlobs;
use crate::uploader::{Counts, Mode, Uploader};

/// Pushes images, as the command line asks for.
pub(crate) struct Pusher {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    /// The destination as the user wrote it, if one was given.
    pub(crate) to: Option<String>,
    pub(crate) tag_templates: Vec<String>,
    pub(crate) existing_index: ExistingIndex,
    pub(crate) max_concurrent_uploads: NonZeroUsize,
    pub(crate) mode: Mode,
    /// Bounds how many blobs of all images are sent at a time.
    pub(crate) sending: Permits,
    /// The blobs that the images of this run have found or sent.
    pub(crate) known_blobs: KnownBlobs,
    /// The manifests of the images in work, each with its repository. Images that share one wait
    /// for each other, because they have the same referrers.
    pub(crate) images_in_work: InWork<(String, Digest)>,
}

impl Pusher {
    /// Resolves the targets of an image, and returns the work of pushing it. Images are prepared in
    /// the order of the input, because the first one that names a tag gets it.
    pub(crate) fn prepare(
        &self,
        document: Document,
        claims: &mut Claims,
    ) -> Result<Work<'_>, Failure> {
        check_is_indexed(&document)?;
        let targets = self.resolve_targets(&document, claims)?;
        let is_registry = |reference: &Reference| matches!(reference, Reference::Registry(_));
        let source = targets.source.as_ref();
        let is_source_remote = source.is_none_or(|from| is_registry(from.reference()));
        let is_remote = is_registry(&targets.destination) && is_source_remote;
        let is_repeated = claims.repeat_tag(&targets);
        let work = move |progress: &Progress| self.push(document, &targets, progress);
        // An archive is written as a whole, and a layout lists its images in their order.
        Ok(if is_remote && !is_repeated {
            Work::beside_others(work)
        } else {
            Work::alone(work)
        })
    }

    /// Pushes what a document names, and enters into the document what was pushed. The document is
    /// returned together with failures if only a part of it was pushed.
    fn push(
        &self,
        document: Document,
        targets: &Targets,
        progress: &Progress,
    ) -> Result<Processed, Failure> {
        let started = Instant::now();
        let name = |failure| targets.name_destination(failure);
        let pushed = self.push_to(document, targets, started, progress);
        let mut pushed = pushed.map_err(name)?;
        pushed.failures = pushed.failures.into_iter().map(name).collect();
        Ok(pushed)
    }

    /// Pushes what a document names to its targets.
    fn push_to(
        &self,
        mut document: Document,
        targets: &Targets,
        started: Instant,
        progress: &Progress,
    ) -> Result<Processed, Failure> {
        if !document.has_planned_manifests() && !has_work(&document, targets) {
            return Ok(self.pass_through(document, targets, started));
        }
        let mut content = gather(&document, &self.store, targets)?;
        let blobs = std::mem::take(&mut content.blobs);
        let name = document.image.as_str();
        let image = progress.start_image(name, "blobs", blobs.count(), blobs.bytes());
        let originals = original_manifests(&document);
        let repository = targets.repository();
        let keys = originals.iter();
        let keys = keys.map(|digest| (repository.clone(), *digest));
        let _in_work = self.images_in_work.claim(keys);
        let uploader = Uploader {
            originals,
            ..self.open_uploader(targets, blobs, image)?
        };
        if uploader.has_any_tag(&targets.original_tags)? {
            return Ok(self.pass_through(document, targets, started));
        }
        uploader.upload_blobs(content.tagged.as_ref(), &targets.tags)?;
        let published = publish(&uploader, &content, targets, self.existing_index);
        let counts = uploader.finish()?;
        let push = Push {
            repository,
            tags: published.tags,
            indexes: published.indexes,
            referrers: published.referrers,
            uploaded: counts.uploaded.into_inner(),
            existing: counts.existing.into_inner(),
            bytes: counts.bytes.into_inner(),
            dry_run: self.mode == Mode::DryRun,
        };
        record(&mut document, push, started);
        Ok(Processed {
            document: published.is_useful.then_some(document),
            failures: published.failures,
            result: Some(describe_result),
            report: None,
            explain: None,
        })
    }

    /// Resolves the destination, the tags, and the source if the image is copied. Returns an error
    /// if another image of this run has one of the tags.
    fn resolve_targets(
        &self,
        document: &Document,
        claims: &mut Claims,
    ) -> Result<Targets, Failure> {
        let image = document.image.reference();
        let destination = match &self.to {
            Some(to) => parse_destination(to, document)?,
            None => image.clone(),
        };
        // The destination comes first. The source gets the password only if that is no registry.
        self.session.claim_password_for(&destination)?;
        self.session.claim_password_for(image)?;
        let naming = TagNaming {
            templates: &self.tag_templates,
            to: self.to.as_deref(),
            destination: &destination,
            image,
        };
        let KnownTags {
            tags,
            kept_tag,
            original_tags,
        } = naming.resolve(document)?;
        let source = if naming.is_in_place() {
            None
        } else {
            Some(Source::open(&self.session, image)?)
        };
        let targets = Targets {
            destination,
            image: document.root.digest,
            tags,
            kept_tag,
            original_tags,
            source,
        };
        // The derived tags in the image's own repository are those of one image.
        if self.to.is_some() || !self.tag_templates.is_empty() {
            let tagged = document.converted.as_done().unwrap_or(&document.root);
            let claim = Claim {
                image: document.image.clone(),
                digest: tagged.digest,
                is_converted: document.is_converted(),
            };
            claims.take(&claim, &targets)?;
        }
        Ok(targets)
    }

    /// Records that nothing is pushed for an image.
    fn pass_through(
        &self,
        mut document: Document,
        targets: &Targets,
        started: Instant,
    ) -> Processed {
        let kept = |tag: &String| PushedTag {
            tag: targets.full_tag(tag),
            digest: Some(targets.image),
        };
        let push = Push {
            repository: targets.repository(),
            tags: targets.kept_tag.iter().map(kept).collect(),
            indexes: if targets.source.is_some() {
                Vec::new()
            } else {
                earlier_indexes(&document)
            },
            referrers: ReferrersVia::None,
            uploaded: 0,
            existing: 0,
            bytes: 0,
            dry_run: self.mode == Mode::DryRun,
        };
        if targets.source.is_some() {
            tracing::warn!(
                image = document.image.as_str(),
                "unchanged: not copied, because no manifest is to be indexed"
            );
        }
        document.unchanged = true;
        record(&mut document, push, started);
        Processed {
            document: Some(document),
            failures: Vec::new(),
            result: Some(describe_result),
            report: None,
            explain: None,
        }
    }

    /// Opens the destination for `blobs` and what names them.
    fn open_uploader<'a>(
        &'a self,
        targets: &'a Targets,
        blobs: BlobSet,
        image: ImageProgress,
    ) -> Result<Uploader<'a>, Failure> {
        Ok(Uploader {
            destination: self.open_destination(&targets.destination)?,
            mode: self.mode,
            blobs,
            store: &self.store,
            source: targets.source.as_ref(),
            max_concurrent: self.max_concurrent_uploads,
            sending: self.sending.share(),
            known_blobs: &self.known_blobs,
            repository: targets.repository(),
            image,
            counts: Counts::default(),
            originals: BTreeSet::new(),
            is_registry: matches!(targets.destination, Reference::Registry(_)),
            lacks_ztoc: AtomicBool::new(false),
            seen_tag: OnceLock::new(),
        })
    }

    /// Opens the destination. A dry run does not create a layout or archive that does not exist.
    fn open_destination(&self, reference: &Reference) -> Result<Option<Destination>, Failure> {
        let path = match reference {
            // A dry run, too, says that the latter is never written.
            Reference::Registry(_) | Reference::DockerArchive { .. } => None,
            Reference::Layout { path, .. } | Reference::Archive { path, .. } => Some(path),
        };
        if self.mode == Mode::DryRun && path.is_some_and(|path| !path.exists()) {
            return Ok(None);
        }
        Ok(Some(Destination::open(&self.session, reference)?))
    }
}

/// Returns the manifests and indexes of an image as it was pulled.
fn original_manifests(document: &Document) -> BTreeSet<Digest> {
    let entries = document.manifests.iter().map(|entry| &entry.descriptor);
    let indexes = document.nested_indexes.iter();
    std::iter::once(&document.root)
        .chain(indexes)
        .chain(entries)
        .map(|descriptor| descriptor.digest)
        .collect()
}

/// Checks that a document has been through `soci-plan`, and if a manifest is planned, through
/// `soci-index`.
fn check_is_indexed(document: &Document) -> Result<(), Failure> {
    let mut planned = document.manifests.iter().filter(|entry| entry.is_planned());
    if document.plan.is_some() && planned.all(|entry| !entry.index.is_pending()) {
        return Ok(());
    }
    Err(Failure::message(Exit::BadData, "the document has no index")
        .hint("pass it through soci-index first"))
}

/// Returns whether something is to be pushed for an image of which no manifest is planned: it is
/// converted already, and is to be copied or to get another tag.
fn has_work(document: &Document, targets: &Targets) -> bool {
    document.is_converted() && (targets.source.is_some() || !targets.tags.is_empty())
}

/// Enters into a document what was pushed, and how long that took.
fn record(document: &mut Document, push: Push, started: Instant) {
    let timing = Timing {
        seconds: started.elapsed().as_secs_f64(),
        bytes: push.bytes,
        ..Timing::default()
    };
    document.push = Some(push);
    document.timing.insert("push".to_owned(), timing);
}

/// Describes what was pushed, and what to deploy.
fn describe_result(document: &Document) -> String {
    Summary::of(document).describe_result()
}
