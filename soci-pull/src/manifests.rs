//! Fetches the manifests and configurations of an image.

use std::collections::{BTreeMap, BTreeSet};

use soci_cli::Failure;
use soci_document::{Classify as _, Exit, LayerEntry, ManifestEntry};
use soci_layout::Layout;
use soci_oci::manifest::{MANIFEST_LIMIT, MAX_INDEX_DEPTH, Root};
use soci_oci::media_type::{is_index, is_manifest};
use soci_oci::{Descriptor, Digest, Index, Manifest, Platform, convert, layer};
use soci_transport::{Source, TransportError, parse_manifest};

use crate::budget::FetchBudget;
use crate::config::parse_platform;
use crate::converted::{find_link, is_soci_index_v2, mark_covered_layers};

/// Fetches the manifests of one image into the store, and makes their entries of the document.
pub(crate) struct ManifestFetcher<'a> {
    store: &'a Layout,
    /// The platforms to fetch. An empty list stands for all platforms of the image.
    platforms: &'a [Platform],
    source: Source,
    bytes_read: u64,
    fetched: Fetched,
    /// The fault of the first configuration that cannot be used.
    damage: Option<Failure>,
    /// Whether an image can be used, or was not fetched because its platform was not asked for.
    has_usable_image: bool,
    budget: FetchBudget,
    /// The manifests that were requested for an index.
    known: BTreeMap<Digest, Known>,
}

/// A manifest, or a nested index that the source lacks, that was requested for an index.
#[derive(Clone, Copy)]
struct Known {
    /// The position of its entry in the document.
    position: usize,
    /// The SOCI index that it names.
    soci_index: Option<Digest>,
}

/// What a document says of the manifests of an image.
#[derive(Default)]
pub(crate) struct Fetched {
    pub(crate) manifests: Vec<ManifestEntry>,
    /// The indexes below the root, each once.
    pub(crate) nested_indexes: Vec<Descriptor>,
}

/// An image manifest that names a SOCI index.
struct Link {
    /// The position of the image manifest among the entries of the document.
    position: usize,
    soci_index: Digest,
}

impl<'a> ManifestFetcher<'a> {
    /// Returns a fetcher of the manifests that `source` holds.
    pub(crate) fn new(store: &'a Layout, platforms: &'a [Platform], source: Source) -> Self {
        Self {
            store,
            platforms,
            source,
            bytes_read: 0,
            fetched: Fetched::default(),
            damage: None,
            has_usable_image: false,
            budget: FetchBudget::default(),
            known: BTreeMap::new(),
        }
    }

    /// Returns how many bytes of manifests and configurations were read from the source.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Fetches the manifests below `root`: the root itself, or if it is an image index, those that
    /// it lists, directly or in nested indexes. A manifest for a platform that was not asked for
    /// gets an entry without layers.
    ///
    /// In an image index, a manifest whose configuration is malformed is not an error if there is
    /// another image, because the other platforms can do without it. `soci-plan` rejects it if it
    /// is asked for.
    ///
    /// # Errors
    ///
    /// Returns an error if a manifest cannot be read or is malformed, if no image has a well-formed
    /// configuration, if indexes are nested deeper than [`MAX_INDEX_DEPTH`], or if the image is
    /// beyond its [`FetchBudget`].
    pub(crate) fn fetch_manifests(
        &mut self,
        root: &Descriptor,
        content: &Root,
    ) -> Result<Fetched, Failure> {
        match content {
            Root::Manifest(manifest) => {
                self.budget.take_content(manifest)?;
                let mut entry = describe_manifest(root, manifest);
                self.complete_image(&mut entry, manifest)?;
                if let Some(digest) = find_link(&manifest.annotations) {
                    entry.soci_index = self.find_soci_index(digest, &mut entry)?;
                }
                self.fetched.manifests.push(entry);
            }
            Root::Index(index) => {
                self.fetch_index(index, 0)?;
                if let Some(damage) = self.damage.take().filter(|_| !self.has_usable_image) {
                    return Err(damage);
                }
            }
        }
        Ok(std::mem::take(&mut self.fetched))
    }

    /// Fetches the manifests that an index lists. `depth` is 0 for the root.
    fn fetch_index(&mut self, index: &Index, depth: usize) -> Result<(), Failure> {
        self.budget.take_listed(index)?;
        self.budget.take_fetched(self.count_fetches(index))?;
        let mut links = Vec::new();
        let mut own_entries = Vec::new();
        for descriptor in &index.manifests {
            if is_index(&descriptor.media_type) && self.is_requested(descriptor) {
                self.fetch_nested_index(descriptor, depth + 1)?;
                continue;
            }
            let (entry, soci_index) = self.fetch_listed_manifest(descriptor)?;
            let position = self.fetched.manifests.len();
            own_entries.push(position);
            if let Some(soci_index) = soci_index {
                links.push(Link {
                    position,
                    soci_index,
                });
            }
            self.fetched.manifests.push(entry);
        }
        for link in links {
            self.mark_converted(&link, &own_entries);
        }
        Ok(())
    }

    /// Fetches an index that another index lists, unless it was fetched before.
    fn fetch_nested_index(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), Failure> {
        let is_same = |other: &Descriptor| other.digest == descriptor.digest;
        if self.fetched.nested_indexes.iter().any(is_same) {
            return Ok(());
        }
        if depth > MAX_INDEX_DEPTH {
            let message = format!(
                "image index `{}` is nested {depth} levels deep, expected at most {MAX_INDEX_DEPTH}",
                descriptor.digest
            );
            return Err(Failure::message(Exit::BadData, message));
        }
        if let Some(missing) = self.find_known(descriptor) {
            self.fetched.manifests.push(missing);
            return Ok(());
        }
        self.budget.take_manifest(descriptor.size)?;
        let Some(bytes) = self.source.read_manifest(descriptor)? else {
            self.remember(descriptor.digest, None);
            self.fetched.manifests.push(ManifestEntry {
                missing: true,
                ..ManifestEntry::new(descriptor.clone())
            });
            return Ok(());
        };
        self.store_bytes(descriptor.digest, &bytes)?;
        if let Root::Index(index) = parse_manifest(&bytes, descriptor)? {
            self.fetched.nested_indexes.push(descriptor.clone());
            self.fetch_index(&index, depth)?;
        }
        Ok(())
    }

    /// Returns how many manifests and nested indexes are fetched for an index.
    fn count_fetches(&self, index: &Index) -> usize {
        let is_fetched = |descriptor: &&Descriptor| {
            let kind = &descriptor.media_type;
            (is_manifest(kind) || is_index(kind))
                && self.is_requested(descriptor)
                && !self.known.contains_key(&descriptor.digest)
        };
        let fetched = index.manifests.iter().filter(is_fetched);
        fetched
            .map(|descriptor| descriptor.digest)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// Enters the SOCI index that an image manifest names into its entry, if the index that lists
    /// the manifest lists the SOCI index too. An annotation alone proves nothing: builders copy it
    /// from the base image.
    fn mark_converted(&mut self, link: &Link, own_entries: &[usize]) {
        let entries = &mut self.fetched.manifests;
        let is_soci_index = |entry: &ManifestEntry| {
            entry.descriptor.digest == link.soci_index && !entry.missing && is_soci_index_v2(entry)
        };
        let mut listed = own_entries.iter().map(|position| &entries[*position]);
        let soci_index = listed.find(|entry| is_soci_index(entry));
        let soci_index = soci_index.map(|entry| entry.descriptor.clone());
        entries[link.position].soci_index = soci_index;
    }

    /// Fetches the SOCI index `digest` that an image manifest names which no index lists. Returns
    /// its descriptor if the source holds it, and if it has a ztoc for a layer of the image. Which
    /// layers have one is entered into them.
    fn find_soci_index(
        &mut self,
        digest: Digest,
        image: &mut ManifestEntry,
    ) -> Result<Option<Descriptor>, Failure> {
        let resolved = match self.source.with_digest(digest).resolve() {
            Ok(resolved) => resolved,
            Err(error) if matches!(error.exit(), Exit::NotFound | Exit::BadData) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let Root::Manifest(manifest) = &resolved.content else {
            return Ok(None);
        };
        let entry = describe_manifest(&resolved.descriptor, manifest);
        if !is_soci_index_v2(&entry) || !mark_covered_layers(manifest, image) {
            return Ok(None);
        }
        self.store_bytes(resolved.descriptor.digest, &resolved.bytes)?;
        Ok(Some(resolved.descriptor))
    }

    /// Returns the entry of a manifest that the image index lists, and the digest of the SOCI index
    /// that it names if it is an image. Fetches it, if its platform is asked for, unless it was
    /// fetched before.
    fn fetch_listed_manifest(
        &mut self,
        descriptor: &Descriptor,
    ) -> Result<(ManifestEntry, Option<Digest>), Failure> {
        if !is_manifest(&descriptor.media_type) || !self.is_requested(descriptor) {
            self.has_usable_image |= is_manifest(&descriptor.media_type);
            let unfetched = ManifestEntry::new(descriptor.clone());
            return Ok((unfetched, find_link(&descriptor.annotations)));
        }
        if let Some(entry) = self.find_known(descriptor) {
            self.budget.take_copy(&entry)?;
            let soci_index = self.known.get(&descriptor.digest);
            return Ok((entry, soci_index.and_then(|known| known.soci_index)));
        }
        let (entry, soci_index) = self.fetch_new_manifest(descriptor)?;
        self.remember(descriptor.digest, soci_index);
        Ok((entry, soci_index))
    }

    /// Fetches a manifest, as [`Self::fetch_listed_manifest`] does.
    fn fetch_new_manifest(
        &mut self,
        descriptor: &Descriptor,
    ) -> Result<(ManifestEntry, Option<Digest>), Failure> {
        let unfetched = ManifestEntry::new(descriptor.clone());
        self.budget.take_manifest(descriptor.size)?;
        let Some(bytes) = self.source.read_manifest(descriptor)? else {
            let missing = ManifestEntry {
                missing: true,
                ..unfetched
            };
            return Ok((missing, None));
        };
        self.store_bytes(descriptor.digest, &bytes)?;
        let Root::Manifest(manifest) = parse_manifest(&bytes, descriptor)? else {
            return Ok((unfetched, None));
        };
        self.budget.take_content(&manifest)?;
        let mut entry = describe_manifest(descriptor, &manifest);
        match self.complete_image(&mut entry, &manifest) {
            Err(failure) if failure.exit == Exit::BadData => {
                tracing::warn!(manifest = %descriptor.digest, "cannot use this manifest: {:#}", failure.error);
                entry.config = None;
                self.damage.get_or_insert(failure);
            }
            completed => {
                completed?;
                self.has_usable_image |= convert::is_image(&manifest);
            }
        }
        let soci_index = find_link(&manifest.annotations).filter(|_| convert::is_image(&manifest));
        Ok((entry, soci_index))
    }

    /// Remembers that the next entry of the document is that of the manifest or index `digest`.
    fn remember(&mut self, digest: Digest, soci_index: Option<Digest>) {
        let position = self.fetched.manifests.len();
        let known = Known {
            position,
            soci_index,
        };
        self.known.insert(digest, known);
    }

    /// Returns the entry of a manifest or index that was fetched before, for another descriptor of
    /// it.
    fn find_known(&self, descriptor: &Descriptor) -> Option<ManifestEntry> {
        let known = self.known.get(&descriptor.digest)?;
        let known = self.fetched.manifests.get(known.position)?;
        let is_same = known.descriptor.size == descriptor.size
            && known.descriptor.media_type == descriptor.media_type;
        is_same.then(|| ManifestEntry {
            descriptor: descriptor.clone(),
            platform: descriptor.platform.clone().or(known.platform.clone()),
            soci_index: None,
            ..known.clone()
        })
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
    /// descriptor has none, and marks foreign layers that the source does not hold. The
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
            entry.platform.get_or_insert(platform);
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
        self.store_bytes(config.digest, &bytes)?;
        let malformed =
            |error| Failure::new(Exit::BadData, error).context(format!("{what} is malformed"));
        parse_platform(&bytes).map_err(malformed)
    }

    /// Writes a manifest or configuration into the store, and counts it.
    fn store_bytes(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes_read += bytes.len() as u64;
        self.store.write_blob_as(digest, bytes)?;
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

#[cfg(test)]
mod tests;
