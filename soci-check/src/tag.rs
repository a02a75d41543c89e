//! Checks what one tag names: the manifests, their SOCI indexes, and the ztocs.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use soci_cli::{Failure, run_parallel};
use soci_document::{CheckedIndex, CheckedManifest, IndexVersion, LayerCoverage};
use soci_oci::layer::is_foreign;
use soci_oci::manifest::Root;
use soci_oci::{Descriptor, Digest};

use crate::findings::Findings;
use crate::image::{Image, ImageManifest};
use crate::links::{Link, check_lists, find_link};
use crate::place::{Fetched, Place};
use crate::rules::chain::{
    FOREIGN_LAYER, INHERITED, LAYER_MISSING, LAYER_SIZE, SEVERAL_VERSION_1, SOCI_INDEX_DAMAGED,
    SOCI_INDEX_MISSING, TOO_MANY_VERSION_1,
};
use crate::rules::soci_index::CONFIG_MISSING;
use crate::soci_index::{Entries, SociIndex};
use crate::ztocs::CheckedZtocs;

/// How many SOCI indexes of version 1 of one manifest are checked.
const MAX_VERSION_1: usize = 8;

/// What one tag names, and where it is read from.
pub(crate) struct Tag<'a> {
    pub(crate) place: &'a Place,
    pub(crate) image: &'a Image,
    /// The SOCI indexes of version 1 that the document names, by image manifest. Without a
    /// document, the registry lists them.
    pub(crate) version_1: Option<BTreeMap<Digest, Descriptor>>,
    pub(crate) versions: Versions,
}

/// Which SOCI indexes of a tag are checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Versions {
    /// All that readers look for.
    All,
    /// Those of version 1. An original that names one of version 2 has the annotation from the
    /// image that it was built upon.
    Version1,
}

/// What was found out about a tag.
pub(crate) struct CheckedTag {
    pub(crate) manifests: Vec<CheckedManifest>,
    /// The layers of all manifests, each once.
    pub(crate) layers: LayerCoverage,
}

/// The SOCI indexes of one image manifest, in the order in which readers look for them.
pub(crate) struct Indexes<'a> {
    manifest: &'a ImageManifest,
    pub(crate) found: Vec<FoundIndex>,
}

/// A SOCI index that was read.
pub(crate) struct FoundIndex {
    index: CheckedIndex,
    pub(crate) entries: Entries,
    /// Whether no error was found in it.
    is_usable: bool,
}

impl Tag<'_> {
    /// Checks all manifests of the tag and their SOCI indexes. The ztocs are checked later.
    pub(crate) fn check_manifests(
        &self,
        jobs: NonZeroUsize,
        findings: &mut Findings,
    ) -> Result<Vec<Indexes<'_>>, Failure> {
        let mut all = Vec::new();
        for manifest in &self.image.manifests {
            let mut indexes = Indexes {
                manifest,
                found: Vec::new(),
            };
            if self.versions == Versions::All {
                self.check_version_2(&mut indexes, findings)?;
            }
            self.check_version_1(&mut indexes, findings)?;
            all.push(indexes);
        }
        check_lists(self.image, findings);
        self.check_layers(jobs, findings)?;
        Ok(all)
    }

    /// Checks the SOCI index of version 2 that a manifest names.
    fn check_version_2(
        &self,
        indexes: &mut Indexes<'_>,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let image = indexes.manifest;
        let own = image.descriptor.digest;
        let descriptor = match find_link(self.image, image, findings) {
            Link::None => return Ok(()),
            Link::Listed(entry) => entry.clone(),
            Link::Unlisted(digest) => match self.place.find_manifest(digest)? {
                Fetched::Found(descriptor) => {
                    if !self.image.is_index() {
                        let what = format!("manifest `{own}` names SOCI index `{digest}`");
                        findings.add(INHERITED.found(what).in_manifest(own));
                    }
                    descriptor
                }
                Fetched::Missing => {
                    let what = format!("SOCI index `{digest}` of manifest `{own}` does not exist");
                    findings.add(SOCI_INDEX_MISSING.found(what).in_manifest(own));
                    return Ok(());
                }
                Fetched::Damaged(how) => {
                    let what = format!("SOCI index `{digest}` of manifest `{own}`: {how}");
                    findings.add(SOCI_INDEX_DAMAGED.found(what).in_manifest(own));
                    return Ok(());
                }
            },
        };
        self.check_index(IndexVersion::V2, &descriptor, indexes, findings)
    }

    /// Checks the SOCI indexes of version 1 of a manifest.
    fn check_version_1(
        &self,
        indexes: &mut Indexes<'_>,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let own = indexes.manifest.descriptor.digest;
        let listed = match &self.version_1 {
            Some(known) => known.get(&own).cloned().into_iter().collect(),
            None => self.place.list_version_1(own)?,
        };
        if listed.len() > 1 {
            let what = format!(
                "manifest `{own}` has {} SOCI indexes of version 1",
                listed.len()
            );
            findings.add(SEVERAL_VERSION_1.found(what).in_manifest(own));
        }
        if listed.len() > MAX_VERSION_1 {
            let what = format!(
                "only {MAX_VERSION_1} of {} SOCI indexes were read",
                listed.len()
            );
            findings.add(TOO_MANY_VERSION_1.found(what).in_manifest(own));
        }
        for descriptor in listed.iter().take(MAX_VERSION_1) {
            self.check_index(IndexVersion::V1, descriptor, indexes, findings)?;
        }
        Ok(())
    }

    /// Reads and checks one SOCI index.
    fn check_index(
        &self,
        version: IndexVersion,
        descriptor: &Descriptor,
        indexes: &mut Indexes<'_>,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let image = indexes.manifest;
        let (own, digest) = (image.descriptor.digest, descriptor.digest);
        let damaged = |how: &str| {
            let what = format!("SOCI index `{digest}` of manifest `{own}`: {how}");
            SOCI_INDEX_DAMAGED.found(what).in_manifest(own)
        };
        let (manifest, bytes) = match self.place.read_manifest(descriptor)? {
            Fetched::Found((Root::Manifest(manifest), bytes)) => (manifest, bytes),
            Fetched::Found((Root::Index(_), _)) => {
                findings.add(damaged("is an image index"));
                return Ok(());
            }
            Fetched::Missing => {
                let what = format!("SOCI index `{digest}` of manifest `{own}` does not exist");
                findings.add(SOCI_INDEX_MISSING.found(what).in_manifest(own));
                return Ok(());
            }
            Fetched::Damaged(how) => {
                findings.add(damaged(&how));
                return Ok(());
            }
        };
        let soci_index = SociIndex {
            version,
            digest,
            manifest: &manifest,
            bytes: &bytes,
            image,
        };
        let errors = findings.errors();
        let entries = soci_index.check(findings);
        if let Some(config) = &manifest.config
            && !matches!(self.place.find_blob(config)?, Fetched::Found(()))
        {
            let what = format!(
                "configuration `{}` of SOCI index `{digest}` does not exist",
                config.digest
            );
            findings.add(CONFIG_MISSING.found(what).in_manifest(own));
        }
        indexes.found.push(FoundIndex {
            index: CheckedIndex { version, digest },
            entries,
            // Readers that refuse the index load nothing through it.
            is_usable: findings.errors() == errors,
        });
        Ok(())
    }

    /// Looks for the layers of the image, without reading them. The store need not have them.
    fn check_layers(&self, jobs: NonZeroUsize, findings: &mut Findings) -> Result<(), Failure> {
        if matches!(self.place, Place::Store(_)) {
            return Ok(());
        }
        let mut layers: BTreeMap<Digest, (Digest, Descriptor)> = BTreeMap::new();
        for image in &self.image.manifests {
            for layer in image.manifest.layers() {
                let task = (image.descriptor.digest, layer.clone());
                layers.entry(layer.digest).or_insert(task);
            }
        }
        let tasks: Vec<_> = layers.into_iter().collect();
        let results = run_parallel(&tasks, jobs, |(_, layer), _| self.place.find_blob(layer))?;
        for (digest, (manifest, layer)) in &tasks {
            let found = match results.get(digest) {
                Some(Fetched::Missing) if is_foreign(&layer.media_type) => {
                    FOREIGN_LAYER.found(format_args!("foreign layer `{digest}` does not exist"))
                }
                Some(Fetched::Missing) => {
                    LAYER_MISSING.found(format_args!("layer `{digest}` does not exist"))
                }
                Some(Fetched::Damaged(how)) => {
                    LAYER_SIZE.found(format_args!("layer `{digest}`: {how}"))
                }
                Some(Fetched::Found(())) | None => continue,
            };
            findings.add(found.in_manifest(*manifest).in_layer(*digest));
        }
        Ok(())
    }
}

/// Counts the layers that are loaded lazily.
pub(crate) fn summarise(all: &[Indexes<'_>], checked: &CheckedZtocs) -> CheckedTag {
    let mut total = LayerCoverage::default();
    let mut seen = BTreeSet::new();
    let mut manifests = Vec::new();
    for Indexes { manifest, found } in all {
        let usable: BTreeSet<Digest> = found
            .first()
            .into_iter()
            .filter(|index| index.is_usable)
            .flat_map(|index| &index.entries.ztocs)
            .filter(|ztoc| checked.usable.contains_key(&ztoc.key()))
            .map(|ztoc| ztoc.layer.digest)
            .collect();
        let mut layers = LayerCoverage::default();
        for layer in manifest.manifest.layers() {
            let is_lazy = usable.contains(&layer.digest);
            layers.add(layer.size, is_lazy);
            if seen.insert((layer.digest, is_lazy)) {
                total.add(layer.size, is_lazy);
            }
        }
        manifests.push(CheckedManifest {
            manifest: manifest.descriptor.digest,
            platform: manifest.platform.clone(),
            indexes: found.iter().map(|found| found.index).collect(),
            layers,
        });
    }
    CheckedTag {
        manifests,
        layers: total,
    }
}
