//! Checks what `soci-index` made, before it is pushed.

use std::collections::{BTreeMap, BTreeSet};

use soci_cli::{Failure, Progress};
use soci_document::{Check, Document, ManifestEntry};
use soci_oci::{Descriptor, Digest};
use soci_transport::Source;

use crate::checker::{Checker, Depth, read_image};
use crate::examination::{Examination, Other, describe_unreadable};
use crate::findings::Findings;
use crate::image::Selection;
use crate::original::{Origin, compare};
use crate::place::Place;
use crate::surroundings::RegistryKind;
use crate::tag::{Tag, Versions};

impl Checker {
    /// Checks what the store has for an indexed document.
    pub(super) fn check_indexed(
        &self,
        document: &Document,
        progress: &Progress,
    ) -> Result<Check, Failure> {
        let place = Place::Store(self.store.clone());
        let mut findings = Findings::default();
        let selection = self.selection_of(document);
        let original = read_image(&place, &document.root, &selection, &mut findings)?;
        let converted = match document.converted.as_done() {
            Some(root) => read_image(&place, root, &selection, &mut findings)?,
            None => None,
        };
        let tag_of = |image, versions, version_1| Tag {
            place: &place,
            image,
            versions,
            version_1: Some(version_1),
        };
        let of_original = |image| tag_of(image, Versions::Version1, version_1_of(document));
        let of_converted = |image| tag_of(image, Versions::All, BTreeMap::new());
        let (tag, other) = match (&original, &converted) {
            (Some(original), Some(converted)) => {
                let missing = &selection.unfetched;
                compare(original, converted, Origin::Known(missing), &mut findings);
                let other = Other::Original(of_original(original));
                (of_converted(converted), other)
            }
            (Some(original), None) => (of_original(original), Other::None),
            (None, Some(converted)) => (of_converted(converted), Other::None),
            (None, None) => return Ok(describe_unreadable(findings)),
        };
        let image = document.image.reference();
        let source = if self.depth == Depth::Full {
            Some(Source::open(&self.session, image)?)
        } else {
            None
        };
        let examination = Examination {
            place: &place,
            registry: RegistryKind::of(image),
            tag,
            other,
        };
        let resources = self.resources(source.as_ref(), document.image.as_str(), progress);
        examination.run(&resources, findings)
    }

    /// Returns which manifests of a document are checked: those of the platforms that the user asks
    /// for, or else those of the plan.
    pub(super) fn selection_of(&self, document: &Document) -> Selection {
        let mut selection = self.select_platforms();
        if selection.platforms.is_empty() {
            let planned = document.manifests.iter().filter(|entry| entry.is_planned());
            selection.platforms = planned
                .filter_map(|entry| entry.platform().cloned())
                .collect();
        }
        let is_unfetched = |entry: &&ManifestEntry| entry.missing || entry.config.is_none();
        let unfetched = document.manifests.iter().filter(is_unfetched);
        selection.unfetched = unfetched
            .map(|entry| entry.descriptor.digest)
            .collect::<BTreeSet<Digest>>();
        selection
    }
}

/// Returns the SOCI indexes of version 1 that a document names, by image manifest.
pub(super) fn version_1_of(document: &Document) -> BTreeMap<Digest, Descriptor> {
    let index_of = |entry: &ManifestEntry| {
        let index = entry.index.as_done()?.v1.clone()?;
        Some((entry.descriptor.digest, index))
    };
    document.manifests.iter().filter_map(index_of).collect()
}
