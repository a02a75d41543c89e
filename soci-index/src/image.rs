//! One image: its layers, its SOCI indexes, its conversion.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Instant;

use soci_cli::{Failure, Progress};
use soci_document::{Document, Exit, Indexes, Indexing, ManifestEntry, Optimization, Plan, Timing};
use soci_layout::Layout;
use soci_oci::convert::{Converted, Indexed, Source as Convertible, convert};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::soci::{self, DISABLE_XATTRS, soci_index_v1, soci_index_v2, ztoc_descriptor};
use soci_oci::{Descriptor, Digest, Manifest};
use soci_transport::{MemoryBudget, Session, parse_manifest};
use soci_ztoc::Ztoc;

use crate::built::Built;
use crate::layers::{self, LayerKey};
use crate::prefetch;

/// What builds indexes.
pub(crate) struct Indexer {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    pub(crate) jobs: NonZeroUsize,
    /// Bounds what all layers together hold of their bytes.
    pub(crate) pieces: MemoryBudget,
    pub(crate) build_tool_identifier: String,
    pub(crate) reuse: bool,
}

impl Indexer {
    /// Builds what the plan of a document asks for.
    pub(crate) fn index(
        &self,
        mut document: Document,
        progress: &Progress,
    ) -> Result<Document, Failure> {
        let started = Instant::now();
        let plan = document.plan.clone().ok_or_else(|| {
            Failure::message(Exit::BadData, "the document has no plan")
                .hint("pass it through soci-plan first")
        })?;
        let manifests = self.manifests(&document)?;
        let planned = layers::planned(&document);
        let built = self.layers(&document, &plan, &planned, progress)?;
        let mut indexed = Vec::new();
        for entry in document
            .manifests
            .iter_mut()
            .filter(|entry| entry.is_planned())
        {
            indexed.extend(self.manifest(entry, &plan, &built)?);
        }
        document.converted = match plan.index_version.has_v2() {
            true if !indexed.is_empty() => {
                Indexing::Done(self.convert(&document, &manifests, &indexed)?)
            }
            true => Indexing::Empty,
            false => Indexing::Pending,
        };
        let bytes = planned.iter().map(|(_, layer)| layer.size).sum();
        document.timing.insert(
            "index".to_owned(),
            Timing {
                seconds: started.elapsed().as_secs_f64(),
                bytes,
            },
        );
        Ok(document)
    }

    /// Reads the manifests that were fetched, and checks that the document says of them what they say themselves.
    fn manifests(&self, document: &Document) -> Result<BTreeMap<Digest, Manifest>, Failure> {
        let mut manifests = BTreeMap::new();
        for entry in document
            .manifests
            .iter()
            .filter(|entry| entry.config.is_some())
        {
            let bytes = self.stored(&entry.descriptor)?;
            let Root::Manifest(manifest) = parse_manifest(&bytes, &entry.descriptor)? else {
                continue;
            };
            let same = |(ours, theirs): (&soci_document::LayerEntry, &Descriptor)| {
                ours.descriptor == *theirs
            };
            let layers = manifest.layers();
            if entry.layers.len() != layers.len() || !entry.layers.iter().zip(layers).all(same) {
                let message = format_args!(
                    "the layers of manifest `{}` are not those of the manifest in the store",
                    entry.descriptor.digest
                );
                return Err(Failure::message(Exit::BadData, message));
            }
            manifests.insert(entry.descriptor.digest, *manifest);
        }
        Ok(manifests)
    }

    /// Reads a manifest from the store.
    fn stored(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Failure> {
        self.store
            .read_blob(descriptor, MANIFEST_LIMIT)
            .map_err(|error| Failure::from(error).hint("pull the image again into this store"))
    }

    /// Makes the SOCI indexes of one manifest. Returns what the conversion needs, where there is a version 2 index.
    fn manifest(
        &self,
        entry: &mut ManifestEntry,
        plan: &Plan,
        built: &BTreeMap<LayerKey, Built>,
    ) -> Result<Option<Indexed>, Failure> {
        let mut blobs = Vec::new();
        for layer in entry.layers.iter_mut().filter(|layer| layer.is_planned()) {
            match built.get(&layers::key(&layer.descriptor)) {
                Some(Built::Ztoc {
                    digest,
                    size,
                    disable_xattrs,
                }) => {
                    let mut ztoc =
                        ztoc_descriptor(&layer.descriptor, *digest, *size, plan.span_size);
                    if *disable_xattrs && plan.optimizations.contains(&Optimization::Xattr) {
                        ztoc.annotations
                            .insert(DISABLE_XATTRS.to_owned(), "true".to_owned());
                    }
                    blobs.push(ztoc.clone());
                    layer.ztoc = Indexing::Done(ztoc);
                }
                Some(Built::Skipped(reason)) => {
                    layer.ztoc = Indexing::Empty;
                    layer.skipped = Some(*reason);
                }
                None => {
                    return Err(Failure::message(
                        Exit::Internal,
                        format_args!("layer `{}` was not built", layer.descriptor.digest),
                    ));
                }
            }
        }
        if blobs.is_empty() {
            tracing::warn!(target: "soci", manifest = %entry.descriptor.digest, "no layer has a ztoc, so there is no index");
            entry.index = Indexing::Empty;
            return Ok(None);
        }
        entry.prefetch = self.prefetch(entry, &plan.prefetch_files)?;
        blobs.extend(entry.prefetch.iter().cloned());
        self.soci_indexes(entry, plan, &blobs)
    }

    /// Writes the SOCI indexes over `blobs`.
    fn soci_indexes(
        &self,
        entry: &mut ManifestEntry,
        plan: &Plan,
        blobs: &[Descriptor],
    ) -> Result<Option<Indexed>, Failure> {
        self.store.write_blob(soci::CONFIG)?;
        let identifier = &self.build_tool_identifier;
        let write = |index: Manifest| {
            let bytes = index.to_bytes();
            self.store.write_blob(&bytes)?;
            Ok::<_, Failure>(Descriptor::of(soci_oci::media_type::OCI_MANIFEST, &bytes))
        };
        let v1 = plan
            .index_version
            .has_v1()
            .then(|| write(soci_index_v1(blobs, &entry.descriptor, identifier)))
            .transpose()?;
        let v2 = plan
            .index_version
            .has_v2()
            .then(|| write(soci_index_v2(blobs, identifier)))
            .transpose()?;
        entry.index = Indexing::Done(Indexes { v1, v2: v2.clone() });
        let platform = entry.planned_platform().cloned();
        Ok(v2.zip(platform).map(|(soci_index, platform)| Indexed {
            manifest: entry.descriptor.digest,
            platform,
            soci_index,
        }))
    }

    /// Writes the lists of spans to fetch before the container starts, in the order of the layers.
    fn prefetch(
        &self,
        entry: &ManifestEntry,
        paths: &[String],
    ) -> Result<Vec<Descriptor>, Failure> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let mut layers = Vec::new();
        for layer in &entry.layers {
            let Some(ztoc) = layer.ztoc.as_done() else {
                continue;
            };
            let bytes = self.store.read_blob(ztoc, ztoc.size)?;
            let ztoc = Ztoc::decode(&bytes).map_err(|error| Failure::new(Exit::BadData, error))?;
            layers.push((layer.descriptor.digest, ztoc));
        }
        let (mut found, missing) =
            prefetch::spans(&layers, paths).map_err(|error| Failure::new(Exit::BadData, error))?;
        for path in missing {
            tracing::warn!(target: "soci", path, "the file to prefetch is in no indexed layer");
        }
        let mut lists = Vec::new();
        for (digest, _) in &layers {
            if let Some(spans) = found.remove(digest) {
                let (descriptor, bytes) = soci::prefetch_list(*digest, spans);
                self.store.write_blob(&bytes)?;
                lists.push(descriptor);
            }
        }
        Ok(lists)
    }

    /// Converts the image and writes what changed.
    fn convert(
        &self,
        document: &Document,
        manifests: &BTreeMap<Digest, Manifest>,
        indexed: &[Indexed],
    ) -> Result<Descriptor, Failure> {
        let content = parse_manifest(&self.stored(&document.root)?, &document.root)?;
        let platform = match (&content, document.manifests.as_slice()) {
            (Root::Manifest(_), [entry]) => entry.platform.clone(),
            _ => None,
        };
        let missing: BTreeSet<Digest> = document
            .manifests
            .iter()
            .filter(|entry| entry.missing)
            .map(|entry| entry.descriptor.digest)
            .collect();
        let source = Convertible {
            root: &document.root,
            content,
            platform,
            manifests,
            missing: &missing,
        };
        let Converted {
            root,
            bytes,
            manifests,
        } = convert(source, indexed);
        for (_, manifest) in &manifests {
            self.store.write_blob(manifest)?;
        }
        self.store.write_blob(&bytes)?;
        tracing::info!(target: "soci", image = document.image.as_str(), digest = %root.digest, "converted");
        Ok(root)
    }
}
