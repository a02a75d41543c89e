//! The search for SOCI indexes that have ztocs of an image's layers.
//!
//! For each reference, three kinds are read: the SOCI indexes that its image index lists, those
//! that its converted image lists, and those that refer to its manifests (version 1).

use std::collections::BTreeMap;
use std::sync::Arc;

use soci_document::{Document, ImageReference, ManifestEntry, Plan};
use soci_layout::REF_NAME;
use soci_oci::convert::{is_attestation, is_soci_entry};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::{OCTET_STREAM, SOCI_INDEX_V1, is_manifest};
use soci_oci::soci::{BUILD_TOOL_IDENTIFIER, CONVERTED_TAG_SUFFIX, LAYER_DIGEST, SPAN_SIZE};
use soci_oci::{Descriptor, Digest, Manifest, Platform, Reference};
use soci_transport::{Source, TransportError, parse_manifest};

use crate::context::Context;
use crate::reuse::candidates::Candidates;
use crate::reuse::check::max_ztoc_size;
use crate::reuse::source::{Origin, ReuseSource, is_remote_content_error, log_unusable};

/// How many manifests and lists are requested for one reference, at most.
const MAX_REQUESTS: u32 = 20;

/// The search for ztocs of the layers of one image.
pub(crate) struct Search<'a> {
    context: &'a Context,
    document: &'a Document,
    plan: &'a Plan,
    /// The layers to find ztocs for, each with the largest size of its ztoc in bytes.
    wanted: BTreeMap<Digest, u64>,
    /// How many requests may still be sent for the current reference.
    requests_left: u32,
    candidates: Candidates,
}

impl<'a> Search<'a> {
    /// Returns a search for ztocs of the layers `wanted`.
    pub(crate) fn new(
        context: &'a Context,
        document: &'a Document,
        plan: &'a Plan,
        wanted: &[&Descriptor],
    ) -> Self {
        let wanted = wanted
            .iter()
            .map(|layer| (layer.digest, max_ztoc_size(layer)));
        Self {
            context,
            document,
            plan,
            wanted: wanted.collect(),
            requests_left: 0,
            candidates: Candidates::default(),
        }
    }

    /// Searches the source of the image and then the references of the plan. The search goes on
    /// when each layer has a candidate, to find out whether another source offers another ztoc.
    pub(crate) fn run(mut self) -> Candidates {
        let image = self.document.image.reference();
        self.search_reference(image, Origin::Image);
        let others = self.plan.reuse_from.iter().map(ImageReference::reference);
        for other in others.filter(|other| *other != image) {
            self.search_reference(other, Origin::Plan);
        }
        self.candidates
    }

    /// Searches one reference. An error ends the search of this reference only.
    fn search_reference(&mut self, reference: &Reference, origin: Origin) {
        self.requests_left = MAX_REQUESTS;
        let searched = self
            .open_source(reference, origin)
            .and_then(|source| self.search_source(&source));
        if let Err(error) = searched {
            log_unusable(reference, origin, error);
        }
    }

    /// Opens the source of a reference. Its requests are retried less often than others, and do not
    /// use up the retries of the run.
    fn open_source(
        &self,
        reference: &Reference,
        origin: Origin,
    ) -> Result<Arc<ReuseSource>, TransportError> {
        let session = match reference {
            Reference::Registry(_) => self.context.session.for_optional_requests()?,
            Reference::Layout { .. }
            | Reference::Archive { .. }
            | Reference::DockerArchive { .. } => self.context.session.clone(),
        };
        let source = Source::open(&session, reference)?;
        Ok(Arc::new(ReuseSource::new(source, origin)))
    }

    /// Reads the SOCI indexes of one source.
    fn search_source(&mut self, source: &Arc<ReuseSource>) -> Result<(), TransportError> {
        let (root, content) = match source.origin {
            Origin::Image => {
                let root = self.document.root.clone();
                let bytes = self.context.store.read_blob(&root, MANIFEST_LIMIT)?;
                let content = parse_manifest(&bytes, &root)?;
                (root, content)
            }
            Origin::Plan => {
                self.requests_left -= 1;
                let resolved = source.source.resolve()?;
                (resolved.descriptor, resolved.content)
            }
        };
        self.search_image_index(source, &content)?;
        self.search_converted_image(source, &root)?;
        self.search_referrers(source, &root, &content)
    }

    /// Reads the SOCI indexes that an image index lists.
    fn search_image_index(
        &mut self,
        source: &Arc<ReuseSource>,
        content: &Root,
    ) -> Result<(), TransportError> {
        let Root::Index(index) = content else {
            return Ok(());
        };
        for entry in &index.manifests {
            if is_soci_entry(entry, None) && self.is_planned_platform(entry) {
                self.read_soci_index(source, entry)?;
            }
        }
        Ok(())
    }

    /// Reads the SOCI indexes of the converted image, which `soci-push` tags `<tag>-soci` unless
    /// the user names another tag.
    fn search_converted_image(
        &mut self,
        source: &Arc<ReuseSource>,
        root: &Descriptor,
    ) -> Result<(), TransportError> {
        let name = root.annotations.get(REF_NAME).map(String::as_str);
        let tag = source.reference().tag().or(name);
        let Some(tag) = tag.filter(|tag| !tag.ends_with(CONVERTED_TAG_SUFFIX)) else {
            return Ok(());
        };
        if !self.take_request() {
            return Ok(());
        }
        let converted = source
            .source
            .with_tag(&format!("{tag}{CONVERTED_TAG_SUFFIX}"));
        match converted.resolve() {
            Ok(resolved) => self.search_image_index(source, &resolved.content),
            Err(error) if is_remote_content_error(&error) => {
                tracing::debug!(from = %converted.reference(), "nothing to reuse: {error}");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the SOCI indexes of version 1, which refer to the manifests of an image.
    fn search_referrers(
        &mut self,
        source: &Arc<ReuseSource>,
        root: &Descriptor,
        content: &Root,
    ) -> Result<(), TransportError> {
        for subject in self.list_subjects(source.origin, root, content) {
            if !self.take_request() {
                break;
            }
            for referrer in source.source.list_referrers(subject, SOCI_INDEX_V1)? {
                let tool = referrer.annotations.get(BUILD_TOOL_IDENTIFIER);
                if tool.is_none_or(|tool| self.is_own_tool(tool)) {
                    self.read_soci_index(source, &referrer)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the manifests whose referrers are listed: the planned ones of the image itself; of
    /// another image those for a planned platform.
    fn list_subjects(&self, origin: Origin, root: &Descriptor, content: &Root) -> Vec<Digest> {
        match (origin, content) {
            (Origin::Image, _) => self
                .planned_manifests()
                .map(|entry| entry.descriptor.digest)
                .collect(),
            (Origin::Plan, Root::Manifest(_)) => vec![root.digest],
            (Origin::Plan, Root::Index(index)) => {
                let is_image = |entry: &&Descriptor| {
                    is_manifest(&entry.media_type)
                        && !is_attestation(entry)
                        && !is_soci_entry(entry, None)
                };
                index
                    .manifests
                    .iter()
                    .filter(is_image)
                    .filter(|entry| self.is_planned_platform(entry))
                    .map(|entry| entry.digest)
                    .collect()
            }
        }
    }

    /// Reads a SOCI index, from the store if possible, and adds its ztocs. An index that is missing
    /// or malformed is not an error.
    fn read_soci_index(
        &mut self,
        source: &Arc<ReuseSource>,
        entry: &Descriptor,
    ) -> Result<(), TransportError> {
        let bytes = match self.context.store.read_blob(entry, MANIFEST_LIMIT) {
            Ok(bytes) => Some(bytes),
            Err(_) if !self.take_request() => return Ok(()),
            Err(_) => match source.source.read_manifest(entry) {
                Err(error) if !is_remote_content_error(&error) => return Err(error),
                read => read.ok().flatten(),
            },
        };
        let parsed = bytes.and_then(|bytes| parse_manifest(&bytes, entry).ok());
        match parsed {
            Some(Root::Manifest(manifest)) if is_soci_entry(entry, Some(&manifest)) => {
                self.add_ztocs(source, &manifest);
            }
            _ => {
                let from = source.reference();
                tracing::debug!(%from, index = %entry.digest, "missing, or not a SOCI index");
            }
        }
        Ok(())
    }

    /// Adds the ztocs of a SOCI index that are for wanted layers and were built with the options of
    /// this run.
    fn add_ztocs(&mut self, source: &Arc<ReuseSource>, index: &Manifest) {
        let from = source.reference();
        let tool = index.annotations.get(BUILD_TOOL_IDENTIFIER);
        if !tool.is_some_and(|tool| self.is_own_tool(tool)) {
            tracing::debug!(%from, tool, "the SOCI index was built by another tool");
            return;
        }
        let span_size = self.plan.span_size.to_string();
        for ztoc in index.layers() {
            let layer = ztoc.annotations.get(LAYER_DIGEST);
            let Some(layer) = layer.and_then(|digest| digest.parse::<Digest>().ok()) else {
                continue;
            };
            let Some(max_size) = self.wanted.get(&layer) else {
                continue;
            };
            let is_of_this_run = ztoc.media_type == OCTET_STREAM
                && ztoc.annotations.get(SPAN_SIZE) == Some(&span_size);
            if !is_of_this_run {
                tracing::debug!(%from, %layer, ztoc = %ztoc.digest, "the ztoc has another type or span size");
            } else if ztoc.size > *max_size {
                tracing::debug!(%from, %layer, ztoc = %ztoc.digest, "the ztoc has {} bytes, expected at most {max_size}", ztoc.size);
            } else {
                self.candidates.add(layer, source, ztoc);
            }
        }
    }

    /// Returns whether another request may be sent, and counts it.
    const fn take_request(&mut self) -> bool {
        let may_send = self.requests_left > 0;
        self.requests_left -= may_send as u32;
        may_send
    }

    /// Returns whether an entry of an image index may be for a platform that is indexed. One
    /// without a platform may be for any.
    fn is_planned_platform(&self, entry: &Descriptor) -> bool {
        let is_planned = |platform: &Platform| {
            self.planned_manifests()
                .filter_map(ManifestEntry::planned_platform)
                .any(|planned| planned.matches(platform))
        };
        entry.platform.as_ref().is_none_or(is_planned)
    }

    /// Returns whether ztocs of the build tool `tool` are the same as those of this run.
    fn is_own_tool(&self, tool: &str) -> bool {
        tool == self.context.build_tool_identifier
    }

    /// Returns the manifests that are indexed.
    fn planned_manifests(&self) -> impl Iterator<Item = &'a ManifestEntry> + use<'a> {
        let entries = self.document.manifests.iter();
        entries.filter(|entry| entry.is_planned())
    }
}
