//! From a reference to a document.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use soci_cli::{Failure, Progress};
use soci_document::{
    Document, Exit, ImageReference, Indexing, LayerEntry, ManifestEntry, Timing, UnknownFields,
    VERSION,
};
use soci_layout::Layout;
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::is_manifest;
use soci_oci::{Descriptor, Manifest, Platform, convert, layer};
use soci_transport::{Resolved, Session, Source, TransportError, parse_manifest};

/// What pulls need.
pub(crate) struct Pull {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) progress: Progress,
}

impl Pull {
    /// Pulls the image of one line: a reference, or a document. Returns the image's name, where that is known, for messages.
    pub(crate) fn line(
        &self,
        line: &[u8],
        with_layers: bool,
    ) -> (Option<String>, Result<Document, Failure>) {
        if line.starts_with(b"{") {
            return match Document::from_line(line) {
                Ok(document) => (
                    Some(document.image.to_string()),
                    self.document(document, with_layers),
                ),
                Err(error) => (None, Err(error.into())),
            };
        }
        match std::str::from_utf8(line) {
            Ok(text) => (Some(text.to_owned()), self.image(text, with_layers)),
            Err(error) => {
                let text = line.escape_ascii();
                let failure = Failure::new(Exit::Usage, error)
                    .context(format!("reference `{text}` is not UTF-8"));
                (None, Err(failure))
            }
        }
    }

    /// Pulls the image that a reference names.
    pub(crate) fn image(&self, text: &str, with_layers: bool) -> Result<Document, Failure> {
        let image: ImageReference = text
            .parse()
            .map_err(|error| Failure::new(Exit::Usage, error))?;
        let source = Source::open(&self.session, image.reference())?;
        let document = self.fetch(&image, source)?;
        self.with_layers(document, with_layers)
    }

    /// Makes sure of what a document names; its manifests are fetched again where the store does not hold them.
    fn document(&self, document: Document, with_layers: bool) -> Result<Document, Failure> {
        let held = |entry: &ManifestEntry| {
            entry.missing || entry.config.is_none() || self.store.has_blob(&entry.descriptor)
        };
        if !self.store.has_blob(&document.root) || !document.manifests.iter().all(held) {
            let source = Source::open(&self.session, document.image.reference())?;
            self.fetch(&document.image, source.with_digest(document.root.digest))?;
        }
        self.with_layers(document, with_layers)
    }

    fn with_layers(&self, document: Document, with_layers: bool) -> Result<Document, Failure> {
        if with_layers {
            self.layers(document)
        } else {
            Ok(document)
        }
    }

    /// Resolves a reference and stores its manifests and configurations.
    fn fetch(&self, image: &ImageReference, source: Source) -> Result<Document, Failure> {
        let started = Instant::now();
        let resolved = source.resolve()?;
        let mut fetch = Fetch {
            pull: self,
            source,
            bytes: resolved.bytes.len() as u64,
            of_many: matches!(resolved.content, Root::Index(_)),
        };
        self.store.write_blob(&resolved.bytes)?;
        let manifests = fetch.manifests(&resolved)?;
        let seconds = started.elapsed().as_secs_f64();
        tracing::info!(target: "soci", image = image.as_str(), digest = %resolved.descriptor.digest, manifests = manifests.len(), "pulled");
        Ok(Document {
            version: VERSION,
            image: image.clone(),
            root: resolved.descriptor,
            plan: None,
            manifests,
            converted: Indexing::Pending,
            push: None,
            timing: BTreeMap::from([(
                "pull".to_owned(),
                Timing {
                    seconds,
                    bytes: fetch.bytes,
                },
            )]),
            unknown_fields: UnknownFields::new(),
        })
    }
}

/// The fetching of one image.
struct Fetch<'a> {
    pull: &'a Pull,
    source: Source,
    bytes: u64,
    /// Whether the image has other manifests.
    of_many: bool,
}

impl Fetch<'_> {
    /// Fetches the manifests of what a reference resolved to.
    fn manifests(&mut self, resolved: &Resolved) -> Result<Vec<ManifestEntry>, Failure> {
        let index = match &resolved.content {
            Root::Manifest(manifest) => {
                return Ok(vec![self.entry(resolved.descriptor.clone(), manifest)?]);
            }
            Root::Index(index) => index,
        };
        let mut entries = Vec::new();
        for descriptor in &index.manifests {
            let wanted = descriptor
                .platform
                .as_ref()
                .is_none_or(|platform| self.wants(platform));
            entries.push(if wanted {
                self.child(descriptor)?
            } else {
                ManifestEntry::new(descriptor.clone())
            });
        }
        Ok(entries)
    }

    /// Says whether a platform is to be fetched.
    fn wants(&self, platform: &Platform) -> bool {
        let platforms = &self.pull.platforms;
        platforms.is_empty()
            || platform.is_unknown()
            || platforms.iter().any(|wanted| wanted.matches(platform))
    }

    /// Fetches a manifest that the image's index lists.
    fn child(&mut self, descriptor: &Descriptor) -> Result<ManifestEntry, Failure> {
        if !is_manifest(&descriptor.media_type) {
            return Ok(ManifestEntry::new(descriptor.clone()));
        }
        let Some(bytes) = self.source.read_manifest(descriptor)? else {
            return Ok(ManifestEntry {
                missing: true,
                ..ManifestEntry::new(descriptor.clone())
            });
        };
        self.bytes += bytes.len() as u64;
        self.pull.store.write_blob(&bytes)?;
        match parse_manifest(&bytes, descriptor)? {
            Root::Manifest(manifest) => self.entry(descriptor.clone(), &manifest),
            Root::Index(_) => Ok(ManifestEntry::new(descriptor.clone())),
        }
    }

    /// Describes a manifest that was fetched, and fetches its configuration.
    fn entry(
        &mut self,
        descriptor: Descriptor,
        manifest: &Manifest,
    ) -> Result<ManifestEntry, Failure> {
        let mut entry = ManifestEntry::new(descriptor);
        entry.config.clone_from(&manifest.config);
        entry.artifact_type.clone_from(&manifest.artifact_type);
        entry.layers = manifest
            .layers()
            .iter()
            .cloned()
            .map(LayerEntry::new)
            .collect();
        if !convert::is_image(manifest) {
            return Ok(entry);
        }
        if let Some(config) = &manifest.config {
            match self.platform(config) {
                Ok(platform) if entry.descriptor.platform.is_none() => {
                    entry.platform = Some(platform);
                }
                Ok(_) => {}
                // Other platforms can do without this one; the plan refuses it if it is asked for.
                Err(failure) if self.of_many && failure.exit == Exit::BadData => {
                    let manifest = entry.descriptor.digest;
                    tracing::warn!(target: "soci", %manifest, "not usable: {:#}", failure.error);
                    entry.config = None;
                }
                Err(failure) => return Err(failure),
            }
        }
        for layer in &mut entry.layers {
            if layer::is_foreign(&layer.descriptor.media_type)
                && !self.source.has_blob(&layer.descriptor)?
            {
                layer.held = Some(false);
            }
        }
        Ok(entry)
    }

    /// Fetches a configuration and returns the platform that it names.
    fn platform(&mut self, config: &Descriptor) -> Result<Platform, Failure> {
        let what = format!("configuration `{}`", config.digest);
        let bytes = self
            .source
            .read_blob(config, MANIFEST_LIMIT)?
            .ok_or(TransportError::NotFound { what })?;
        self.bytes += bytes.len() as u64;
        self.pull.store.write_blob(&bytes)?;
        let malformed = |error| {
            Failure::new(Exit::BadData, error)
                .context(format!("configuration `{}` is malformed", config.digest))
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(malformed)?;
        let platform: Platform = serde_json::from_value(value).map_err(malformed)?;
        Ok(platform.normalized())
    }
}
