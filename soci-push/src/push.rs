//! Pushes one image in five phases: resolve targets, gather, upload blobs, upload manifests, tag.

use std::num::NonZeroUsize;
use std::time::Instant;

use soci_cli::{Failure, Progress};
use soci_document::{Document, Exit, Push, ReferrersVia, Timing};
use soci_layout::Layout;
use soci_oci::Reference;
use soci_transport::{Destination, Session, Source};

use crate::content::{BlobSet, Content, gather};
use crate::referrers::{ExistingIndex, push_referrer};
use crate::tags::TagNaming;
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
}

/// Where an image is pushed.
struct Targets {
    /// The repository, layout or archive that is written.
    destination: Reference,
    /// The tags of the converted image.
    tags: Vec<String>,
    /// The source of the image, if it is not the destination; the image is then copied.
    source: Option<Source>,
}

impl Pusher {
    /// Pushes what a document names, and enters into the document what was pushed.
    pub(crate) fn push(
        &self,
        mut document: Document,
        progress: &Progress,
    ) -> Result<Document, Failure> {
        let started = Instant::now();
        check_is_indexed(&document)?;
        let targets = self.resolve_targets(&document)?;
        let mut content = gather(&document, &self.store, targets.source.as_ref())?;
        let blobs = std::mem::take(&mut content.blobs);
        let uploader = self.open_uploader(&targets, blobs, progress)?;
        uploader.upload_blobs()?;
        let referrers = self.upload_manifests(&uploader, &content)?;
        let tags = set_tags(&uploader, &content, &targets)?;
        let counts = uploader.finish()?;
        let push = Push {
            repository: repository_name(&targets.destination),
            tags,
            referrers,
            uploaded: counts.uploaded.into_inner(),
            existing: counts.existing.into_inner(),
            bytes: counts.bytes.into_inner(),
            dry_run: self.mode == Mode::DryRun,
        };
        log_push(&document, &push);
        let timing = Timing {
            seconds: started.elapsed().as_secs_f64(),
            bytes: push.bytes,
        };
        document.push = Some(push);
        document.timing.insert("push".to_owned(), timing);
        Ok(document)
    }

    /// Resolves the destination, the tags, and the source if the image is copied.
    fn resolve_targets(&self, document: &Document) -> Result<Targets, Failure> {
        let image = document.image.reference();
        let destination: Reference = match &self.to {
            Some(to) => to
                .parse()
                .map_err(|error| Failure::new(Exit::Usage, error))?,
            None => image.clone(),
        };
        let naming = TagNaming {
            templates: &self.tag_templates,
            to: self.to.as_deref(),
            destination: &destination,
            image,
        };
        let tags = naming.tags_of(document)?;
        let source = if destination.same_repository(image) {
            None
        } else {
            Some(Source::open(&self.session, image)?)
        };
        Ok(Targets {
            destination,
            tags,
            source,
        })
    }

    /// Opens the destination for `blobs` and what names them.
    fn open_uploader<'a>(
        &'a self,
        targets: &'a Targets,
        blobs: BlobSet,
        progress: &'a Progress,
    ) -> Result<Uploader<'a>, Failure> {
        Ok(Uploader {
            destination: self.open_destination(&targets.destination)?,
            mode: self.mode,
            blobs,
            store: &self.store,
            source: targets.source.as_ref(),
            max_concurrent: self.max_concurrent_uploads,
            progress,
            counts: Counts::default(),
        })
    }

    /// Opens the destination. A dry run does not create a layout or archive that does not exist.
    fn open_destination(&self, reference: &Reference) -> Result<Option<Destination>, Failure> {
        let path = match reference {
            Reference::Registry(_) => None,
            Reference::Layout { path, .. } | Reference::Archive { path, .. } => Some(path),
        };
        if self.mode == Mode::DryRun && path.is_some_and(|path| !path.exists()) {
            return Ok(None);
        }
        Ok(Some(Destination::open(&self.session, reference)?))
    }

    /// Uploads all manifests except the one that is tagged, and then the SOCI indexes of version 1,
    /// whose subjects must exist. Returns how readers find the latter.
    fn upload_manifests(
        &self,
        uploader: &Uploader<'_>,
        content: &Content,
    ) -> Result<ReferrersVia, Failure> {
        let tagged = content.tagged.as_ref();
        let tagged = tagged.map(|manifest| manifest.descriptor.digest);
        for manifest in &content.manifests {
            if tagged != Some(manifest.descriptor.digest) {
                uploader.upload_manifest(manifest)?;
            }
        }
        let mut via = ReferrersVia::None;
        for referrer in &content.referrers {
            let pushed = push_referrer(uploader, referrer, self.existing_index)?;
            via = pushed.unwrap_or(via);
        }
        Ok(via)
    }
}

/// Checks that a document has been through `soci-index`.
fn check_is_indexed(document: &Document) -> Result<(), Failure> {
    let mut manifests = document.manifests.iter();
    if document.plan.is_some() && manifests.any(|entry| !entry.index.is_pending()) {
        return Ok(());
    }
    Err(Failure::message(Exit::BadData, "the document has no index")
        .hint("pass it through soci-index first"))
}

/// Uploads the converted image under its tags, and returns the tags as references.
fn set_tags(
    uploader: &Uploader<'_>,
    content: &Content,
    targets: &Targets,
) -> Result<Vec<String>, Failure> {
    let Some(tagged) = &content.tagged else {
        return Ok(Vec::new());
    };
    let tags = &targets.tags;
    if tags.is_empty() {
        let digest = tagged.descriptor.digest;
        tracing::warn!(%digest, "the converted image gets no tag, since the image has none; name one with --tag");
    }
    // A registry takes the manifest together with its tag. In a layout, the tag names a blob that
    // must exist.
    if tags.is_empty() || !matches!(targets.destination, Reference::Registry(_)) {
        uploader.upload_manifest(tagged)?;
    }
    let repository = repository_name(&targets.destination);
    for tag in tags {
        uploader.set_tag(tag, tagged)?;
    }
    Ok(tags
        .iter()
        .map(|tag| format!("{repository}:{tag}"))
        .collect())
}

/// Logs what was pushed, or what a dry run would push.
fn log_push(document: &Document, push: &Push) {
    let Push {
        uploaded,
        existing,
        bytes,
        ..
    } = push;
    let action = if push.dry_run { "would push" } else { "pushed" };
    let image = document.image.as_str();
    tracing::info!(image, uploaded, existing, bytes, "{action}");
}

/// Returns the repository, layout or archive of a reference, without tag and digest.
fn repository_name(reference: &Reference) -> String {
    match reference {
        Reference::Registry(reference) => {
            format!("{}/{}", reference.registry, reference.repository)
        }
        Reference::Layout { path, .. } => format!("oci:{}", path.display()),
        Reference::Archive { path, .. } => format!("oci-archive:{}", path.display()),
    }
}
