//! Makes a document of a reference, and puts what the document names into the store.

use std::collections::BTreeMap;
use std::time::Instant;

use soci_cli::{Failure, InWork, Progress, Work, parse_reference};
use soci_document::{
    Document, ImageReference, Indexing, ManifestEntry, Timing, UnknownFields, VERSION,
};
use soci_layout::Layout;
use soci_oci::manifest::is_other_manifest;
use soci_oci::{Descriptor, Digest, Platform, Reference};
use soci_transport::{Session, Source, TransportError, parse_manifest};

use crate::manifests::{Fetched, ManifestFetcher};

/// Pulls images into the store, as the command line asks for.
pub(crate) struct Puller {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    /// The platforms to fetch. An empty list stands for all platforms of the image.
    pub(crate) platforms: Vec<Platform>,
    /// Whether the layers are stored too.
    pub(crate) with_layers: bool,
    pub(crate) progress: Progress,
    /// The layers that are being stored, so that images that share one fetch it once.
    pub(crate) layers_in_work: InWork<Digest>,
}

impl Puller {
    /// Parses a reference. The registry of the first one gets the password.
    pub(crate) fn parse(&self, text: &str) -> Result<ImageReference, Failure> {
        let image = parse_reference(text)?;
        self.session.claim_password_for(image.reference())?;
        Ok(image)
    }

    /// Returns the work on an image. One that is not in a registry is worked on alone, since the
    /// session keeps one archive open at a time.
    pub(crate) fn schedule<'a>(
        &'a self,
        image: &Reference,
        work: impl FnOnce(&Self) -> Result<Document, Failure> + Send + 'a,
    ) -> Work<'a> {
        let work = |_: &Progress| work(self);
        Work::reading(image, work)
    }

    /// Pulls the image that a reference names.
    pub(crate) fn pull(&self, image: &ImageReference) -> Result<Document, Failure> {
        let source = Source::open(&self.session, image.reference())?;
        let mut document = self.fetch(image, source)?;
        if self.with_layers {
            self.store_layers(&mut document)?;
        }
        Ok(document)
    }

    /// Puts what an existing document names into the store, if it is not there.
    pub(crate) fn complete(&self, mut document: Document) -> Result<Document, Failure> {
        let is_stored = |entry: &ManifestEntry| {
            entry.missing || entry.config.is_none() || self.store.has_blob(&entry.descriptor)
        };
        let has_blob = |descriptor: &Descriptor| self.store.has_blob(descriptor);
        let is_complete = has_blob(&document.root)
            && document.nested_indexes.iter().all(has_blob)
            && document.manifests.iter().all(is_stored);
        if !is_complete {
            let source = Source::open(&self.session, document.image.reference())?;
            // The tag may name another image by now.
            self.fetch(&document.image, source.with_digest(document.root.digest))?;
        }
        if self.with_layers {
            self.store_layers(&mut document)?;
        }
        Ok(document)
    }

    /// Stores the manifests and configurations of the image that `source` reads, and describes them
    /// in a new document.
    fn fetch(&self, image: &ImageReference, source: Source) -> Result<Document, Failure> {
        let started = Instant::now();
        let (root, bytes) = source.read_root()?;
        let mut fetcher = ManifestFetcher::new(&self.store, &self.platforms, source);
        let content = match parse_manifest(&bytes, &root) {
            Ok(parsed) => {
                self.store.write_blob_as(root.digest, &bytes)?;
                fetcher.fetch_manifests(&root, &parsed)?
            }
            Err(TransportError::Manifest { .. }) if is_other_manifest(&bytes, &root.media_type) => {
                self.store.write_blob_as(root.digest, &bytes)?;
                describe_other_manifest(&root)
            }
            Err(error) => return Err(error.into()),
        };
        let timing = Timing {
            seconds: started.elapsed().as_secs_f64(),
            bytes: bytes.len() as u64 + fetcher.bytes_read(),
            ..Timing::default()
        };
        tracing::info!(
            image = image.as_str(),
            digest = %root.digest,
            manifests = content.manifests.len(),
            "pulled"
        );
        Ok(Document {
            version: VERSION,
            image: image.clone(),
            root,
            plan: None,
            manifests: content.manifests,
            nested_indexes: content.nested_indexes,
            unchanged: false,
            converted: Indexing::Pending,
            check: None,
            push: None,
            timing: BTreeMap::from([("pull".to_owned(), timing)]),
            error: None,
            unknown_fields: UnknownFields::new(),
        })
    }
}

/// Returns the one entry of a document for a root that is neither an image nor an index. Its media
/// type tells `soci-plan` that it is no image.
fn describe_other_manifest(root: &Descriptor) -> Fetched {
    tracing::warn!(
        digest = %root.digest,
        media_type = root.media_type,
        "not an image manifest of OCI or of Docker's schema 2; an image of Docker's schema 1 must be pushed again by a current version of Docker"
    );
    Fetched {
        manifests: vec![ManifestEntry::new(root.clone())],
        nested_indexes: Vec::new(),
    }
}
