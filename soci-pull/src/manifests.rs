//! Fetches the manifests and configurations of an image.

use serde_json::Value;
use soci_cli::Failure;
use soci_document::{Exit, LayerEntry, ManifestEntry};
use soci_layout::Layout;
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::is_manifest;
use soci_oci::{Descriptor, Manifest, Platform, convert, layer};
use soci_transport::{Resolved, Source, TransportError, parse_manifest};

/// Fetches the manifests of one image into the store, and makes their entries of the document.
pub(crate) struct ManifestFetcher<'a> {
    store: &'a Layout,
    /// The platforms to fetch. An empty list stands for all platforms of the image.
    platforms: &'a [Platform],
    source: Source,
    bytes_read: u64,
}

impl<'a> ManifestFetcher<'a> {
    /// Returns a fetcher of the manifests that `source` holds.
    pub(crate) const fn new(store: &'a Layout, platforms: &'a [Platform], source: Source) -> Self {
        Self {
            store,
            platforms,
            source,
            bytes_read: 0,
        }
    }

    /// Returns how many bytes of manifests and configurations were read from the source.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Fetches the manifests below `root`: the root itself, or if it is an image index, those that it
    /// lists. A manifest for a platform that was not asked for gets an entry without layers.
    ///
    /// In an image index, a manifest whose configuration is malformed is not an error, because the
    /// other platforms can do without it. `soci-plan` rejects it if it is asked for.
    pub(crate) fn fetch_manifests(
        &mut self,
        root: &Resolved,
    ) -> Result<Vec<ManifestEntry>, Failure> {
        let index = match &root.content {
            Root::Manifest(manifest) => {
                let mut entry = describe_manifest(&root.descriptor, manifest);
                self.complete_image(&mut entry, manifest)?;
                return Ok(vec![entry]);
            }
            Root::Index(index) => index,
        };
        index
            .manifests
            .iter()
            .map(|descriptor| self.fetch_listed_manifest(descriptor))
            .collect()
    }

    /// Fetches a manifest that the image index lists, if its platform is asked for.
    fn fetch_listed_manifest(&mut self, descriptor: &Descriptor) -> Result<ManifestEntry, Failure> {
        let unfetched = ManifestEntry::new(descriptor.clone());
        if !is_manifest(&descriptor.media_type) || !self.is_requested(descriptor) {
            return Ok(unfetched);
        }
        let Some(bytes) = self.source.read_manifest(descriptor)? else {
            return Ok(ManifestEntry {
                missing: true,
                ..unfetched
            });
        };
        self.store_bytes(&bytes)?;
        let Root::Manifest(manifest) = parse_manifest(&bytes, descriptor)? else {
            return Ok(unfetched);
        };
        let mut entry = describe_manifest(descriptor, &manifest);
        match self.complete_image(&mut entry, &manifest) {
            Err(failure) if failure.exit == Exit::BadData => {
                tracing::warn!(manifest = %descriptor.digest, "not usable: {:#}", failure.error);
                entry.config = None;
            }
            completed => completed?,
        }
        Ok(entry)
    }

    /// Returns whether a manifest is fetched. One that names no platform always is, because its
    /// configuration may name the platform, and so are attestations (`unknown/unknown`).
    fn is_requested(&self, descriptor: &Descriptor) -> bool {
        let Some(platform) = &descriptor.platform else {
            return true;
        };
        self.platforms.is_empty()
            || platform.is_unknown()
            || self
                .platforms
                .iter()
                .any(|requested| requested.matches(platform))
    }

    /// Completes the entry of an image manifest: stores the configuration, sets the platform if the
    /// descriptor does not name it, and marks foreign layers that the source does not hold. The
    /// entry of an artifact stays as it is.
    fn complete_image(
        &mut self,
        entry: &mut ManifestEntry,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        if !convert::is_image(manifest) {
            return Ok(());
        }
        for layer in &mut entry.layers {
            if layer::is_foreign(&layer.descriptor.media_type)
                && !self.source.has_blob(&layer.descriptor)?
            {
                layer.held = Some(false);
            }
        }
        if let Some(config) = &manifest.config {
            let platform = self.fetch_config(config)?;
            if entry.descriptor.platform.is_none() {
                entry.platform = Some(platform);
            }
        }
        Ok(())
    }

    /// Stores a configuration and returns the platform that it names.
    fn fetch_config(&mut self, config: &Descriptor) -> Result<Platform, Failure> {
        let what = format!("configuration `{}`", config.digest);
        let bytes = self
            .source
            .read_blob(config, MANIFEST_LIMIT)?
            .ok_or_else(|| TransportError::NotFound { what: what.clone() })?;
        self.store_bytes(&bytes)?;
        let malformed =
            |error| Failure::new(Exit::BadData, error).context(format!("{what} is malformed"));
        // By way of a value: the platform's fields may stand beside fields of any form.
        let value: Value = serde_json::from_slice(&bytes).map_err(malformed)?;
        let platform: Platform = serde_json::from_value(value).map_err(malformed)?;
        Ok(platform.normalized())
    }

    /// Writes a manifest or configuration into the store, and counts it.
    fn store_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes_read += bytes.len() as u64;
        self.store.write_blob(bytes)?;
        Ok(())
    }
}

/// Returns the entry of a manifest with what the manifest itself says.
fn describe_manifest(descriptor: &Descriptor, manifest: &Manifest) -> ManifestEntry {
    let layers = manifest.layers().iter().cloned();
    ManifestEntry {
        config: manifest.config.clone(),
        artifact_type: manifest.artifact_type.clone(),
        layers: layers.map(LayerEntry::new).collect(),
        ..ManifestEntry::new(descriptor.clone())
    }
}
