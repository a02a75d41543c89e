//! The search for SOCI indexes that have ztocs of an image's layers.
//!
//! For each reference, three kinds are read: the SOCI indexes that its image index lists, those
//! that its converted image lists, and those that refer to its manifests (version 1).

use std::collections::BTreeMap;
use std::iter;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use soci_cli::{run_both, run_parallel};
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

/// How many references are searched at the same time, at most.
const MAX_CONCURRENT_REFERENCES: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// The search for ztocs of the layers of one image.
pub(crate) struct Search<'a> {
    context: &'a Context,
    document: &'a Document,
    plan: &'a Plan,
    /// The layers to find ztocs for, each with the largest size of its ztoc in bytes.
    wanted: BTreeMap<Digest, u64>,
}

/// The search in one reference.
struct SourceSearch<'a> {
    search: &'a Search<'a>,
    source: &'a Arc<ReuseSource>,
    /// How many requests may still be sent.
    requests_left: AtomicU32,
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
        }
    }

    /// Searches the source of the image and the references of the plan. Those of the image come
    /// first in the result. All are searched even if each layer has a candidate, to find out whether
    /// another source offers another ztoc.
    pub(crate) fn run(&self) -> Candidates {
        let image = self.document.image.reference();
        let others = self.plan.reuse_from.iter().map(ImageReference::reference);
        let others = others.filter(|other| *other != image);
        let references = iter::once((image, Origin::Image))
            .chain(others.map(|other| (other, Origin::Plan)))
            .enumerate();
        let references: Vec<_> = references.collect();
        let search = |(reference, origin): &(&Reference, Origin), _: &_| {
            Ok(self.search_reference(reference, *origin))
        };
        let found = run_parallel(&references, MAX_CONCURRENT_REFERENCES, search);
        let mut candidates = Candidates::default();
        // No search fails.
        for found in found.unwrap_or_default().into_values() {
            candidates.merge(found);
        }
        candidates
    }

    /// Searches one reference. An error ends the search of this reference only.
    fn search_reference(&self, reference: &Reference, origin: Origin) -> Candidates {
        let mut found = Candidates::default();
        let searched = self.open_source(reference, origin).and_then(|source| {
            let search = SourceSearch {
                search: self,
                source: &source,
                requests_left: AtomicU32::new(MAX_REQUESTS),
            };
            search.run(&mut found)
        });
        if let Err(error) = searched {
            log_unusable(reference, origin, error);
        }
        found
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

impl SourceSearch<'_> {
    /// Reads the SOCI indexes of the source. Those of its image index are read first; its converted
    /// image and its referrers do not depend on each other.
    fn run(&self, found: &mut Candidates) -> Result<(), TransportError> {
        let Search {
            context, document, ..
        } = self.search;
        let (root, content) = match self.source.origin {
            Origin::Image => {
                let root = document.root.clone();
                let bytes = context.store.read_blob(&root, MANIFEST_LIMIT)?;
                let content = parse_manifest(&bytes, &root)?;
                (root, content)
            }
            Origin::Plan => {
                self.take_request();
                let resolved = self.source.source.resolve()?;
                (resolved.descriptor, resolved.content)
            }
        };
        self.search_image_index(&content, found)?;
        let mut by_referrers = Candidates::default();
        let ((converted, searched), searched_referrers) = run_both(
            || {
                let mut converted = Candidates::default();
                let searched = self.search_converted_image(&root, &mut converted);
                (converted, searched)
            },
            || self.search_referrers(&root, &content, &mut by_referrers),
        );
        found.merge(converted);
        found.merge(by_referrers);
        searched.and(searched_referrers)
    }

    /// Reads the SOCI indexes that an image index lists.
    fn search_image_index(
        &self,
        content: &Root,
        found: &mut Candidates,
    ) -> Result<(), TransportError> {
        let Root::Index(index) = content else {
            return Ok(());
        };
        for entry in &index.manifests {
            if is_soci_entry(entry, None) && self.search.is_planned_platform(entry) {
                self.read_soci_index(entry, found)?;
            }
        }
        Ok(())
    }

    /// Reads the SOCI indexes of the converted image, which `soci-push` tags `<tag>-soci` unless
    /// the user names another tag.
    fn search_converted_image(
        &self,
        root: &Descriptor,
        found: &mut Candidates,
    ) -> Result<(), TransportError> {
        let name = root.annotations.get(REF_NAME).map(String::as_str);
        let tag = self.source.reference().tag().or(name);
        let Some(tag) = tag.filter(|tag| !tag.ends_with(CONVERTED_TAG_SUFFIX)) else {
            return Ok(());
        };
        if !self.take_request() {
            return Ok(());
        }
        let source = &self.source.source;
        let converted = source.with_tag(&format!("{tag}{CONVERTED_TAG_SUFFIX}"));
        match converted.resolve() {
            Ok(resolved) => self.search_image_index(&resolved.content, found),
            Err(error) if is_remote_content_error(&error) => {
                tracing::debug!(from = %converted.reference(), "nothing to reuse: {error}");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the SOCI indexes of version 1, which refer to the manifests of an image.
    fn search_referrers(
        &self,
        root: &Descriptor,
        content: &Root,
        found: &mut Candidates,
    ) -> Result<(), TransportError> {
        for subject in self.list_subjects(root, content) {
            if !self.take_request() {
                break;
            }
            for referrer in (self.source.source).list_referrers(subject, SOCI_INDEX_V1)? {
                let tool = referrer.annotations.get(BUILD_TOOL_IDENTIFIER);
                if tool.is_none_or(|tool| self.search.is_own_tool(tool)) {
                    self.read_soci_index(&referrer, found)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the manifests whose referrers are listed: the planned ones of the image itself; of
    /// another image those for a planned platform.
    fn list_subjects(&self, root: &Descriptor, content: &Root) -> Vec<Digest> {
        match (self.source.origin, content) {
            (Origin::Image, _) => self
                .search
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
                    .filter(|entry| self.search.is_planned_platform(entry))
                    .map(|entry| entry.digest)
                    .collect()
            }
        }
    }

    /// Reads a SOCI index, from the store if possible, and adds its ztocs. An index that is missing
    /// or malformed is not an error.
    fn read_soci_index(
        &self,
        entry: &Descriptor,
        found: &mut Candidates,
    ) -> Result<(), TransportError> {
        let bytes = match self.search.context.store.read_blob(entry, MANIFEST_LIMIT) {
            Ok(bytes) => Some(bytes),
            Err(_) if !self.take_request() => return Ok(()),
            Err(_) => match self.source.source.read_manifest(entry) {
                Err(error) if !is_remote_content_error(&error) => return Err(error),
                read => read.ok().flatten(),
            },
        };
        let parsed = bytes.and_then(|bytes| parse_manifest(&bytes, entry).ok());
        match parsed {
            Some(Root::Manifest(manifest)) if is_soci_entry(entry, Some(&manifest)) => {
                self.add_ztocs(&manifest, found);
            }
            _ => {
                let from = self.source.reference();
                tracing::debug!(%from, index = %entry.digest, "missing, or not a SOCI index");
            }
        }
        Ok(())
    }

    /// Adds the ztocs of a SOCI index that are for wanted layers and were built with the options of
    /// this run.
    fn add_ztocs(&self, index: &Manifest, found: &mut Candidates) {
        let search = self.search;
        let from = self.source.reference();
        let tool = index.annotations.get(BUILD_TOOL_IDENTIFIER);
        if !tool.is_some_and(|tool| search.is_own_tool(tool)) {
            tracing::debug!(%from, tool, "the SOCI index was built by another tool");
            return;
        }
        let span_size = search.plan.span_size.to_string();
        for ztoc in index.layers() {
            let layer = ztoc.annotations.get(LAYER_DIGEST);
            let Some(layer) = layer.and_then(|digest| digest.parse::<Digest>().ok()) else {
                continue;
            };
            let Some(max_size) = search.wanted.get(&layer) else {
                continue;
            };
            let is_of_this_run = ztoc.media_type == OCTET_STREAM
                && ztoc.annotations.get(SPAN_SIZE) == Some(&span_size);
            if !is_of_this_run {
                tracing::debug!(%from, %layer, ztoc = %ztoc.digest, "the ztoc has another type or span size");
            } else if ztoc.size > *max_size {
                tracing::debug!(%from, %layer, ztoc = %ztoc.digest, "the ztoc has {} bytes, expected at most {max_size}", ztoc.size);
            } else {
                found.add(layer, self.source, ztoc);
            }
        }
    }

    /// Returns whether another request may be sent, and counts it.
    fn take_request(&self) -> bool {
        let take = |left: u32| left.checked_sub(1);
        let taken = (self.requests_left).fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.is_ok()
    }
}
