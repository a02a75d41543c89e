//! Reads the manifests of an image, from the tag down.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use soci_cli::Failure;
use soci_oci::convert::{is_attestation, is_image, is_soci_entry};
use soci_oci::manifest::{MANIFEST_LIMIT, MAX_INDEX_DEPTH, Root};
use soci_oci::media_type::{SOCI_INDEX_V2, is_index, is_manifest};
use soci_oci::soci::INDEX_DIGEST;
use soci_oci::{Descriptor, Digest, Index, Manifest, Platform};
use soci_transport::Resolved;

use crate::findings::Findings;
use crate::place::{Fetched, Place};
use crate::rules::chain::{CONFIG_DAMAGED, CONFIG_UNUSABLE, MANIFEST_DAMAGED, MANIFEST_MISSING};
use crate::rules::use_of_index::NESTED;

/// How many manifests and indexes of an image are read at most.
const MAX_MANIFESTS: usize = 1000;

/// How many bytes of manifests and indexes below the root are read at most.
const MAX_MANIFEST_BYTES: u64 = 8 << 20;

/// The manifests of an image.
pub(crate) struct Image {
    pub(crate) root: Descriptor,
    pub(crate) content: Root,
    /// The image manifests to check.
    pub(crate) manifests: Vec<ImageManifest>,
    /// The entries of the root index and of the nested indexes, one list for each.
    pub(crate) lists: Vec<Vec<Descriptor>>,
    /// The entries that are no images to check: of other platforms, artifacts and attestations.
    pub(crate) others: Vec<Descriptor>,
    /// The nested indexes.
    pub(crate) nested: Vec<Descriptor>,
}

/// An image manifest.
pub(crate) struct ImageManifest {
    /// The descriptor: that of the list, or that of the root.
    pub(crate) descriptor: Descriptor,
    pub(crate) manifest: Manifest,
    pub(crate) platform: Option<Platform>,
    /// Where the manifest is listed. Absent if it is the root.
    pub(crate) entry: Option<Entry>,
}

/// A place in one of the lists of an image.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// The position of the list in [`Image::lists`].
    pub(crate) list: usize,
    /// The position in the list.
    pub(crate) position: usize,
}

/// The manifest or index that an image begins with.
pub(crate) struct ImageRoot {
    pub(crate) descriptor: Descriptor,
    pub(crate) content: Root,
}

impl From<Resolved> for ImageRoot {
    fn from(resolved: Resolved) -> Self {
        Self {
            descriptor: resolved.descriptor,
            content: resolved.content,
        }
    }
}

/// Which manifests of an image are checked.
#[derive(Default)]
pub(crate) struct Selection {
    /// The platforms to check. An empty list stands for all.
    pub(crate) platforms: Vec<Platform>,
    /// The manifests that need not exist.
    pub(crate) unfetched: BTreeSet<Digest>,
}

/// What of an image is read so far.
struct Reader<'a> {
    place: &'a Place,
    selection: &'a Selection,
    findings: &'a mut Findings,
    manifests: Vec<ImageManifest>,
    lists: Vec<Vec<Descriptor>>,
    others: Vec<Descriptor>,
    nested: Vec<Descriptor>,
    seen: BTreeSet<Digest>,
    /// How many manifests were read, and their size in bytes.
    reads: usize,
    bytes_read: u64,
}

impl Image {
    /// Reads the image whose manifest or index is `root`.
    pub(crate) fn read(
        place: &Place,
        selection: &Selection,
        root: ImageRoot,
        findings: &mut Findings,
    ) -> Result<Self, Failure> {
        let ImageRoot {
            descriptor: root,
            content,
        } = root;
        let mut reader = Reader {
            place,
            selection,
            findings,
            manifests: Vec::new(),
            lists: Vec::new(),
            others: Vec::new(),
            nested: Vec::new(),
            seen: BTreeSet::new(),
            reads: 0,
            bytes_read: 0,
        };
        match &content {
            Root::Index(index) => reader.read_index(index, 0)?,
            Root::Manifest(manifest) if is_image(manifest) => {
                reader.add_image(&root, (**manifest).clone(), None)?;
            }
            Root::Manifest(_) => reader.others.push(root.clone()),
        }
        Ok(Self {
            manifests: reader.manifests,
            lists: reader.lists,
            others: reader.others,
            nested: reader.nested,
            root,
            content,
        })
    }

    /// Returns whether the root is an image index.
    pub(crate) const fn is_index(&self) -> bool {
        matches!(self.content, Root::Index(_))
    }

    /// Returns whether a manifest names a SOCI index of version 2, or an index lists one.
    pub(crate) fn is_converted(&self) -> bool {
        let mut manifests = self.manifests.iter();
        let mut listed = self.lists.iter().flatten();
        manifests.any(|manifest| manifest.manifest.annotations.contains_key(INDEX_DIGEST))
            || listed.any(|entry| entry.artifact_type.as_deref() == Some(SOCI_INDEX_V2))
    }

    /// Returns the entries of the list that lists a manifest.
    pub(crate) fn siblings(&self, manifest: &ImageManifest) -> &[Descriptor] {
        let list = manifest.entry.and_then(|entry| self.lists.get(entry.list));
        list.map_or(&[], Vec::as_slice)
    }
}

impl Reader<'_> {
    /// Reads the manifests that an index lists. `depth` is 0 for the root.
    fn read_index(&mut self, index: &Index, depth: usize) -> Result<(), Failure> {
        let list = self.lists.len();
        self.lists.push(index.manifests.clone());
        for (position, descriptor) in index.manifests.iter().enumerate() {
            if self.reads >= MAX_MANIFESTS || self.bytes_read > MAX_MANIFEST_BYTES {
                let what = format!(
                    "the image has more than {MAX_MANIFESTS} manifests or {MAX_MANIFEST_BYTES} bytes of them"
                );
                self.findings.add(NESTED.found(what));
                return Ok(());
            }
            if is_index(&descriptor.media_type) {
                self.read_nested(descriptor, depth + 1)?;
            } else {
                self.read_entry(descriptor, Entry { list, position })?;
            }
        }
        Ok(())
    }

    /// Reads an index that another index lists, unless it was read before.
    fn read_nested(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), Failure> {
        if self
            .nested
            .iter()
            .any(|other| other.digest == descriptor.digest)
        {
            return Ok(());
        }
        if depth > MAX_INDEX_DEPTH {
            let what = format!(
                "index `{}` is nested {depth} levels deep",
                descriptor.digest
            );
            self.findings.add(NESTED.found(what));
            return Ok(());
        }
        if let Some(Root::Index(index)) = self.fetch(descriptor)? {
            self.nested.push(descriptor.clone());
            self.read_index(&index, depth)?;
        }
        Ok(())
    }

    /// Reads a manifest that an index lists, if it is an image to check.
    fn read_entry(&mut self, descriptor: &Descriptor, entry: Entry) -> Result<(), Failure> {
        let is_other = is_attestation(descriptor)
            || is_soci_entry(descriptor, None)
            || !is_manifest(&descriptor.media_type)
            || !self.is_selected(descriptor);
        if is_other || !self.seen.insert(descriptor.digest) {
            self.others.push(descriptor.clone());
            return Ok(());
        }
        match self.fetch(descriptor)? {
            Some(Root::Manifest(manifest))
                if is_image(&manifest) && !is_soci_entry(descriptor, Some(&manifest)) =>
            {
                self.add_image(descriptor, *manifest, Some(entry))
            }
            _ => {
                self.others.push(descriptor.clone());
                Ok(())
            }
        }
    }

    /// Returns whether the manifest of an entry is to be checked. One without a platform always is,
    /// because its configuration names the platform.
    fn is_selected(&self, descriptor: &Descriptor) -> bool {
        let Some(platform) = &descriptor.platform else {
            return true;
        };
        !platform.is_unknown() && self.is_asked_for(platform)
    }

    fn is_asked_for(&self, platform: &Platform) -> bool {
        let platforms = &self.selection.platforms;
        platforms.is_empty() || platforms.iter().any(|asked| asked.matches(platform))
    }

    /// Reads a manifest or index that is listed. What is wrong with it is a finding.
    fn fetch(&mut self, descriptor: &Descriptor) -> Result<Option<Root>, Failure> {
        let digest = descriptor.digest;
        self.reads += 1;
        match self.place.read_manifest(descriptor)? {
            Fetched::Found((root, bytes)) => {
                self.bytes_read += bytes.len() as u64;
                return Ok(Some(root));
            }
            Fetched::Missing if self.selection.unfetched.contains(&digest) => {}
            Fetched::Missing => {
                let what = format!("manifest `{digest}` does not exist");
                self.findings
                    .add(MANIFEST_MISSING.found(what).in_manifest(digest));
            }
            Fetched::Damaged(how) => {
                let what = format!("manifest `{digest}`: {how}");
                self.findings
                    .add(MANIFEST_DAMAGED.found(what).in_manifest(digest));
            }
        }
        Ok(None)
    }

    /// Adds an image manifest, whose configuration is read and checked.
    fn add_image(
        &mut self,
        descriptor: &Descriptor,
        manifest: Manifest,
        entry: Option<Entry>,
    ) -> Result<(), Failure> {
        let configured = match &manifest.config {
            Some(config) => self.read_config(config, &manifest, descriptor.digest)?,
            None => None,
        };
        let is_artifact =
            |platform: &Platform| platform.os.is_empty() && platform.architecture.is_empty();
        if configured.as_ref().is_some_and(is_artifact) && descriptor.platform.is_none() {
            // `soci convert` gives artifacts the media types of images.
            self.others.push(descriptor.clone());
            return Ok(());
        }
        let platform = descriptor.platform.clone().or(configured);
        if descriptor.platform.is_none()
            && platform
                .as_ref()
                .is_some_and(|platform| !self.is_asked_for(platform))
        {
            self.others.push(descriptor.clone());
            return Ok(());
        }
        self.manifests.push(ImageManifest {
            descriptor: descriptor.clone(),
            manifest,
            platform,
            entry,
        });
        Ok(())
    }

    /// Reads the configuration of an image, and returns the platform that it names.
    fn read_config(
        &mut self,
        config: &Descriptor,
        manifest: &Manifest,
        digest: Digest,
    ) -> Result<Option<Platform>, Failure> {
        let fault = match self.place.read_blob(config, MANIFEST_LIMIT)? {
            Fetched::Found(bytes) => match parse_platform(&bytes) {
                Ok(platform) => return Ok(Some(platform)),
                Err(error) => format!("is malformed: {error}"),
            },
            Fetched::Missing => "does not exist".to_owned(),
            Fetched::Damaged(how) => format!("is damaged: {how}"),
        };
        let what = format!("configuration `{}` {fault}", config.digest);
        let rule = if manifest.annotations.contains_key(INDEX_DIGEST) {
            CONFIG_DAMAGED
        } else {
            CONFIG_UNUSABLE
        };
        self.findings.add(rule.found(what).in_manifest(digest));
        Ok(None)
    }
}

/// Returns the platform that a configuration names. Its fields stand beside fields of any form.
fn parse_platform(config: &[u8]) -> Result<Platform, serde_json::Error> {
    let fields: Map<String, Value> = serde_json::from_slice(config)?;
    let platform: Platform = serde_json::from_value(fields.into())?;
    Ok(platform.normalized())
}
