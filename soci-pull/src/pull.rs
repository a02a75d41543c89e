//! Makes a document of a reference, and puts what the document names into the store.

use std::collections::BTreeMap;
use std::time::Instant;

use soci_cli::{Failure, Progress, parse_reference};
use soci_document::{
    Document, ImageReference, Indexing, ManifestEntry, Timing, UnknownFields, VERSION,
};
use soci_layout::Layout;
use soci_oci::Platform;
use soci_transport::{Session, Source};

use crate::manifests::ManifestFetcher;

/// Pulls images into the store, as the command line asks for.
pub(crate) struct Puller {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    /// The platforms to fetch. An empty list stands for all platforms of the image.
    pub(crate) platforms: Vec<Platform>,
    /// Whether the layers are stored too.
    pub(crate) with_layers: bool,
    pub(crate) progress: Progress,
}

impl Puller {
    /// Pulls the image that a reference names.
    pub(crate) fn pull_reference(&self, text: &str) -> Result<Document, Failure> {
        let image = parse_reference(text)?;
        let source = Source::open(&self.session, image.reference())?;
        let mut document = self.fetch(&image, source)?;
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
        if !self.store.has_blob(&document.root) || !document.manifests.iter().all(is_stored) {
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
        let resolved = source.resolve()?;
        self.store.write_blob(&resolved.bytes)?;
        let mut fetcher = ManifestFetcher::new(&self.store, &self.platforms, source);
        let manifests = fetcher.fetch_manifests(&resolved)?;
        let timing = Timing {
            seconds: started.elapsed().as_secs_f64(),
            bytes: resolved.bytes.len() as u64 + fetcher.bytes_read(),
        };
        tracing::info!(
            image = image.as_str(),
            digest = %resolved.descriptor.digest,
            manifests = manifests.len(),
            "pulled"
        );
        Ok(Document {
            version: VERSION,
            image: image.clone(),
            root: resolved.descriptor,
            plan: None,
            manifests,
            converted: Indexing::Pending,
            push: None,
            timing: BTreeMap::from([("pull".to_owned(), timing)]),
            unknown_fields: UnknownFields::new(),
        })
    }
}
