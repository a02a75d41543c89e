//! What came of an image, in numbers, and what to deploy.

mod skipped;
mod text;

use std::collections::BTreeSet;

use soci_oci::{Digest, Platform};

use crate::{Document, IndexVersion, LayerEntry, ManifestEntry, Push, PushedIndex, PushedTag};

pub use skipped::{SkipReason, SkippedLayers};

/// What a document says of its image, in numbers. Nothing is read besides the document.
///
/// Layers are those of the manifests that the plan is to index. Before `soci-plan`, they are those
/// of all manifests except attestations. A layer that occurs more than once counts once.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary<'a> {
    /// The document.
    pub document: &'a Document,
    /// The last stage that the document has passed.
    pub stage: Stage,
    /// The platforms that are indexed. A manifest whose platform is not known has none here.
    pub platforms: Vec<&'a Platform>,
    /// All layers.
    pub all: LayerTotal,
    /// The layers with a ztoc. Before `soci-index`, those that the plan is to index.
    pub indexed: LayerTotal,
    /// The layers whose ztocs were not built in this run.
    pub reused: LayerTotal,
    /// The images of other repositories that ztocs were taken from, each once.
    pub reused_from: Vec<&'a str>,
    /// The total size of the ztocs in bytes.
    pub ztoc_bytes: u64,
    /// The layers without a ztoc by reason, those with the most bytes first.
    pub skipped: Vec<SkippedLayers>,
}

/// The last stage that a document has passed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// `soci-pull`.
    Pulled,
    /// `soci-plan`.
    Planned,
    /// `soci-index`.
    Indexed,
    /// `soci-push`.
    Pushed,
}

/// A number of layers, and their size.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LayerTotal {
    /// How many layers there are.
    pub count: u64,
    /// Their size in bytes, as they are in the registry.
    pub bytes: u64,
}

impl LayerTotal {
    /// Returns the number of layers in words, such as `1 layer` or `6 layers`.
    pub fn count_layers(&self) -> String {
        let plural = if self.count == 1 { "" } else { "s" };
        format!("{} layer{plural}", self.count)
    }

    /// Adds a layer. Sizes in a document may be wrong, so that their sum may exceed the type.
    const fn add(&mut self, layer: &LayerEntry) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(layer.descriptor.size);
    }
}

impl Stage {
    /// Returns the last stage that a document has passed.
    fn of(document: &Document) -> Self {
        let is_indexed = |entry: &ManifestEntry| !entry.index.is_pending();
        if document.push.is_some() {
            Self::Pushed
        } else if !document.converted.is_pending() || document.manifests.iter().any(is_indexed) {
            Self::Indexed
        } else if document.plan.is_some() {
            Self::Planned
        } else {
            Self::Pulled
        }
    }
}

impl<'a> Summary<'a> {
    /// Returns the summary of a document.
    pub fn of(document: &'a Document) -> Self {
        let stage = Stage::of(document);
        let mut summary = Self {
            document,
            stage,
            platforms: Vec::new(),
            all: LayerTotal::default(),
            indexed: LayerTotal::default(),
            reused: LayerTotal::default(),
            reused_from: Vec::new(),
            ztoc_bytes: 0,
            skipped: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for entry in &document.manifests {
            let is_counted = match stage {
                // Attestations have an unknown platform.
                Stage::Pulled => !entry.platform().is_some_and(Platform::is_unknown),
                Stage::Planned | Stage::Indexed | Stage::Pushed => entry.is_planned(),
            };
            if !is_counted {
                continue;
            }
            summary.platforms.extend(entry.platform());
            for layer in &entry.layers {
                if seen.insert(layer.descriptor.digest) {
                    summary.add_layer(layer);
                }
            }
        }
        summary
            .skipped
            .sort_by_key(|skipped| std::cmp::Reverse(skipped.layers.bytes));
        summary
    }

    fn add_layer(&mut self, layer: &'a LayerEntry) {
        self.all.add(layer);
        if let Some(reason) = SkipReason::of(layer) {
            let mut groups = self.skipped.iter_mut();
            match groups.find(|skipped| skipped.reason == reason) {
                Some(skipped) => skipped.add(layer),
                None => self.skipped.push(SkippedLayers::new(reason, layer)),
            }
            return;
        }
        if let Some(ztoc) = layer.ztoc.as_done() {
            self.ztoc_bytes = self.ztoc_bytes.saturating_add(ztoc.size);
        }
        let is_indexed = match self.stage {
            Stage::Pulled => false,
            Stage::Planned => layer.is_planned(),
            Stage::Indexed | Stage::Pushed => layer.ztoc.as_done().is_some(),
        };
        if is_indexed {
            self.indexed.add(layer);
        }
        if layer.reused.is_some() {
            self.reused.add(layer);
        }
        let from = layer.reused_from.as_deref();
        self.reused_from.extend(from.filter(|from| {
            !self.reused_from.contains(from) && !self.document.image.is_in_repository_of(from)
        }));
    }

    /// Returns whether nothing was made for the image, because it is converted already or is no
    /// image.
    pub const fn is_unchanged(&self) -> bool {
        self.document.unchanged
    }

    /// Returns whether the image was only shown by a dry run of `soci-push`.
    pub fn is_dry_run(&self) -> bool {
        self.push().is_some_and(|push| push.dry_run)
    }

    /// Returns whether only a part of the image was pushed.
    pub const fn is_partial(&self) -> bool {
        self.push().is_some() && self.document.error.is_some()
    }

    /// Returns whether a converted image was made, which the tags name. Otherwise they name the
    /// image as it was pulled.
    pub const fn is_converted(&self) -> bool {
        self.document.converted.as_done().is_some()
    }

    /// Returns the tags to deploy.
    pub fn tags(&self) -> &'a [PushedTag] {
        self.push().map_or(&[], |push| &push.tags)
    }

    /// Returns the digest of the converted image, if there is one.
    pub fn converted(&self) -> Option<Digest> {
        let converted = self.document.converted.as_done();
        converted.map(|converted| converted.digest)
    }

    /// Returns the SOCI indexes of version 1 in the destination, which readers find as referrers of
    /// the image.
    pub fn version_1(&self) -> impl Iterator<Item = &'a PushedIndex> + use<'a> {
        let indexes = self.push().map_or(&[][..], |push| &push.indexes);
        indexes
            .iter()
            .filter(|index| index.version == IndexVersion::V1)
    }

    /// Returns what was pushed.
    pub const fn push(&self) -> Option<&'a Push> {
        self.document.push.as_ref()
    }
}

#[cfg(test)]
mod tests;
