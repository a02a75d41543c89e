//! Looking for SOCI indexes: in what a reference names, in its conversion, and among what refers to its manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use soci_document::{Document, ImageReference, ManifestEntry, Plan};
use soci_layout::REF_NAME;
use soci_oci::convert::{is_attestation, is_soci_entry};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::{OCTET_STREAM, SOCI_INDEX_V1, is_manifest};
use soci_oci::soci::{BUILD_TOOL_IDENTIFIER, CONVERTED_TAG_SUFFIX, LAYER_DIGEST, SPAN_SIZE};
use soci_oci::{Descriptor, Digest, Manifest, Platform, Reference};
use soci_transport::{Source, TransportError, parse_manifest};

use super::{Offers, Place, is_odd, most, tell};
use crate::image::Indexer;

/// How often one reference is asked, at most.
const REQUESTS: u32 = 20;

/// The search for ztocs of the layers of one image.
pub(crate) struct Search<'a> {
    indexer: &'a Indexer,
    document: &'a Document,
    plan: &'a Plan,
    /// The layers that nothing was found for yet, with the most bytes that a ztoc may have.
    wanted: BTreeMap<Digest, u64>,
    /// How often the current place may still be asked.
    requests: u32,
    offers: Offers,
}

impl<'a> Search<'a> {
    /// Starts a search for ztocs of the layers `wanted`.
    pub(crate) fn new(
        indexer: &'a Indexer,
        document: &'a Document,
        plan: &'a Plan,
        wanted: &[&Descriptor],
    ) -> Self {
        let wanted = wanted.iter().map(|layer| (layer.digest, most(layer)));
        Self {
            indexer,
            document,
            plan,
            wanted: wanted.collect(),
            requests: 0,
            offers: Offers::default(),
        }
    }

    /// Looks in the place of the image and then where the plan says, until there is a ztoc for each layer.
    pub(crate) fn look(mut self, image: &Reference) -> Offers {
        self.visit(image, true);
        let others = self.plan.reuse_from.iter().map(ImageReference::reference);
        for other in others.filter(|other| *other != image) {
            self.visit(other, false);
        }
        self.offers
    }

    /// Looks in one place, unless nothing is missing any more.
    fn visit(&mut self, reference: &Reference, own: bool) {
        if self.wanted.is_empty() {
            return;
        }
        self.requests = REQUESTS;
        if let Err(error) = self.search(reference, own) {
            tell(reference, own, error);
        }
    }

    fn search(&mut self, reference: &Reference, own: bool) -> Result<(), TransportError> {
        let session = match reference {
            Reference::Registry(_) => self.indexer.session.for_optional_requests()?,
            Reference::Layout { .. } | Reference::Archive { .. } => self.indexer.session.clone(),
        };
        let place = Arc::new(Place {
            source: Source::open(&session, reference)?,
            own,
            gone: AtomicBool::new(false),
        });
        let (root, content) = if own {
            let root = self.document.root.clone();
            let bytes = self.indexer.store.read_blob(&root, MANIFEST_LIMIT)?;
            let content = parse_manifest(&bytes, &root)?;
            (root, content)
        } else {
            self.requests -= 1;
            let resolved = place.source.resolve()?;
            (resolved.descriptor, resolved.content)
        };
        self.entries(&place, &content)?;
        self.conversion(&place, &root)?;
        self.referrers(&place, &root, &content)
    }

    /// Looks into the SOCI indexes that an image index lists.
    fn entries(&mut self, place: &Arc<Place>, content: &Root) -> Result<(), TransportError> {
        let Root::Index(index) = content else {
            return Ok(());
        };
        for entry in &index.manifests {
            if is_soci_entry(entry, None) && self.is_for_us(entry) {
                self.soci_index(place, entry)?;
            }
        }
        Ok(())
    }

    /// Looks into the conversion that `soci-push` has made of an image, where there is one.
    fn conversion(&mut self, place: &Arc<Place>, root: &Descriptor) -> Result<(), TransportError> {
        let named = root.annotations.get(REF_NAME).map(String::as_str);
        let tag = place.source.reference().tag().or(named);
        let Some(tag) = tag.filter(|tag| !tag.ends_with(CONVERTED_TAG_SUFFIX)) else {
            return Ok(());
        };
        if !self.may_ask() {
            return Ok(());
        }
        let converted = place
            .source
            .with_tag(&format!("{tag}{CONVERTED_TAG_SUFFIX}"));
        match converted.resolve() {
            Ok(resolved) => self.entries(place, &resolved.content),
            Err(error) if is_odd(&error) => {
                tracing::debug!(target: "soci", from = %converted.reference(), "nothing to reuse: {error}");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Looks into the SOCI indexes of version 1, which refer to the manifests of an image.
    fn referrers(
        &mut self,
        place: &Arc<Place>,
        root: &Descriptor,
        content: &Root,
    ) -> Result<(), TransportError> {
        let subjects: Vec<Digest> = match content {
            _ if place.own => self
                .planned()
                .map(|entry| entry.descriptor.digest)
                .collect(),
            Root::Manifest(_) => vec![root.digest],
            Root::Index(index) => {
                let image = |entry: &&Descriptor| {
                    let other = is_attestation(entry) || is_soci_entry(entry, None);
                    is_manifest(&entry.media_type) && !other && self.is_for_us(entry)
                };
                let images = index.manifests.iter().filter(image);
                images.map(|entry| entry.digest).collect()
            }
        };
        for subject in subjects {
            if !self.may_ask() {
                break;
            }
            for referrer in place.source.list_referrers(subject, SOCI_INDEX_V1)? {
                let tool = referrer.annotations.get(BUILD_TOOL_IDENTIFIER);
                if tool.is_none_or(|tool| self.is_our_tool(tool)) {
                    self.soci_index(place, &referrer)?;
                }
            }
        }
        Ok(())
    }

    /// Reads a SOCI index and enters its ztocs.
    fn soci_index(&mut self, place: &Arc<Place>, entry: &Descriptor) -> Result<(), TransportError> {
        let bytes = match self.indexer.store.read_blob(entry, MANIFEST_LIMIT) {
            Ok(bytes) => Some(bytes),
            Err(_) if !self.may_ask() => return Ok(()),
            Err(_) => match place.source.read_manifest(entry) {
                Err(error) if !is_odd(&error) => return Err(error),
                other => other.ok().flatten(),
            },
        };
        let parsed = bytes.and_then(|bytes| parse_manifest(&bytes, entry).ok());
        match parsed {
            Some(Root::Manifest(manifest)) if is_soci_entry(entry, Some(&manifest)) => {
                self.ztocs(place, &manifest);
            }
            _ => {
                tracing::debug!(target: "soci", from = %place.source.reference(), index = %entry.digest, "not there, or no SOCI index");
            }
        }
        Ok(())
    }

    /// Enters the ztocs of a SOCI index that are of layers which are wanted, and were built in the way of this run.
    fn ztocs(&mut self, place: &Arc<Place>, index: &Manifest) {
        let tool = index.annotations.get(BUILD_TOOL_IDENTIFIER);
        if !tool.is_some_and(|tool| self.is_our_tool(tool)) {
            tracing::debug!(target: "soci", from = %place.source.reference(), tool, "an index of another tool");
            return;
        }
        let span_size = self.plan.span_size.to_string();
        let mut found = BTreeSet::new();
        for ztoc in index.layers() {
            let layer = ztoc.annotations.get(LAYER_DIGEST);
            let Some(layer) = layer.and_then(|digest| digest.parse::<Digest>().ok()) else {
                continue;
            };
            let Some(most) = self.wanted.get(&layer) else {
                continue;
            };
            let fits = ztoc.media_type == OCTET_STREAM
                && ztoc.annotations.get(SPAN_SIZE) == Some(&span_size)
                && ztoc.size <= *most;
            if fits {
                self.offers.enter(layer, place, ztoc);
                found.insert(layer);
            } else {
                tracing::debug!(target: "soci", from = %place.source.reference(), %layer, ztoc = %ztoc.digest, "a ztoc of another kind or span size, or too large");
            }
        }
        self.wanted.retain(|layer, _| !found.contains(layer));
    }

    /// Counts a request. None is made where nothing is wanted any more, or the place was asked often enough.
    fn may_ask(&mut self) -> bool {
        let may = !self.wanted.is_empty() && self.requests > 0;
        self.requests -= u32::from(may);
        may
    }

    /// Says whether an entry of an image index may be for one of the platforms that are indexed.
    fn is_for_us(&self, entry: &Descriptor) -> bool {
        let wanted = |platform: &Platform| {
            let mut planned = self.planned().filter_map(ManifestEntry::planned_platform);
            planned.any(|planned| planned.matches(platform))
        };
        entry.platform.as_ref().is_none_or(wanted)
    }

    fn is_our_tool(&self, tool: &str) -> bool {
        tool == self.indexer.build_tool_identifier
    }

    fn planned(&self) -> impl Iterator<Item = &'a ManifestEntry> + use<'a> {
        let entries = self.document.manifests.iter();
        entries.filter(|entry| entry.is_planned())
    }
}
