//! The fields of the document, as each stage leaves them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use soci_oci::{Descriptor, Platform};

use crate::{
    Check, ImageReference, Indexing, LayerDecision, ManifestDecision, Push, ReuseOrigin,
    StageError, UnindexableReason, UnknownFields,
};

/// The version of the document that this release reads and writes.
pub const VERSION: u64 = 1;

/// One image on its way through the stages.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Document {
    /// The version of the document: 1.
    pub version: u64,
    /// The reference of the image, as the user wrote it.
    pub image: ImageReference,
    /// What the reference resolved to.
    pub root: Descriptor,
    /// What to index and how. Set by `soci-plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The manifests of the image: one for each platform, and all others that its index lists.
    /// Those of a nested index stand in its place.
    pub manifests: Vec<ManifestEntry>,
    /// The image indexes that the image's index lists, directly or in one another. Their manifests
    /// are among `manifests`. Set by `soci-pull`.
    #[serde(
        default,
        rename = "nestedIndexes",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub nested_indexes: Vec<Descriptor>,
    /// `true` if no manifest is to be indexed, so that nothing is made or pushed: each is converted
    /// already, or is not an image. Each manifest has its reason. Set by `soci-plan`, and by
    /// `soci-push` if the tag names what an earlier run has tagged.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unchanged: bool,
    /// The converted image (SOCI version 2), `null` if nothing was indexed. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Indexing::is_pending")]
    #[schemars(with = "Option<Descriptor>")]
    pub converted: Indexing<Descriptor>,
    /// What was found wrong with the SOCI indexes, or worth knowing. Set by `soci-check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// What was pushed. Set by `soci-push`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// How long each stage took, how many bytes it read or wrote, and how many it did not have to
    /// read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timing: BTreeMap<String, Timing>,
    /// Why only a part of the image was pushed, or that its SOCI indexes are wrong. Set by
    /// `soci-push` and `soci-check`. The line is then that of a
    /// [`FailedImage`](crate::FailedImage), whose schema has this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub error: Option<StageError>,
    /// Fields that this release does not know, here and in all other objects.
    #[serde(skip)]
    pub unknown_fields: UnknownFields,
}

impl Document {
    /// Returns whether the plan is to index a manifest.
    pub fn has_planned_manifests(&self) -> bool {
        self.manifests.iter().any(ManifestEntry::is_planned)
    }

    /// Returns whether the image was converted before, for at least one platform that is not
    /// indexed again.
    pub fn is_converted(&self) -> bool {
        self.manifests
            .iter()
            .any(|entry| entry.soci_index.is_some() && !entry.is_planned())
    }

    /// Returns what the tags of the pushed image name: the converted image, or else the image
    /// itself.
    pub fn tagged(&self) -> &Descriptor {
        self.converted.as_done().unwrap_or(&self.root)
    }

    /// Sets the fields that documents of earlier releases lack although their values are known: the
    /// platform of each manifest that an index lists, and the digests that tags name.
    pub(crate) fn complete(&mut self) {
        for entry in &mut self.manifests {
            if entry.platform.is_none() {
                entry.platform.clone_from(&entry.descriptor.platform);
            }
        }
        let tagged = self.tagged().digest;
        for tag in self.push.iter_mut().flat_map(|push| &mut push.tags) {
            tag.digest.get_or_insert(tagged);
        }
    }
}

/// The decisions for the whole image. This and the layers determine the index byte for byte.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The platforms to index, as the user asked for them; `all` means each platform of the image.
    pub platforms: Vec<String>,
    /// Layers smaller than this many bytes are not indexed.
    pub min_layer_size: u64,
    /// The distance between checkpoints in bytes of the uncompressed layer.
    pub span_size: u64,
    /// Which SOCI indexes to build.
    pub index_version: IndexVersions,
    /// Optimizations to apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optimizations: Vec<Optimization>,
    /// Files to fetch before the container starts, as paths in the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefetch_files: Vec<String>,
    /// Images whose SOCI indexes are searched, besides those of the image itself, for ztocs of its
    /// layers to reuse. The resulting index is the same with and without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reuse_from: Vec<ImageReference>,
}

/// Which SOCI indexes to build.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexVersions {
    /// Both, over the same ztocs.
    Both,
    /// A referrer of each image manifest.
    V1,
    /// A converted image.
    V2,
}

impl IndexVersions {
    /// Returns whether a version 1 index is to be built.
    pub const fn has_v1(self) -> bool {
        matches!(self, Self::Both | Self::V1)
    }

    /// Returns whether a version 2 index is to be built.
    pub const fn has_v2(self) -> bool {
        matches!(self, Self::Both | Self::V2)
    }
}

/// A hint in the index that makes readers faster without changing the files that they show.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimization {
    /// Marks layers without extended attributes, so that readers need not look for any.
    Xattr,
}

/// One manifest of the image.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestEntry {
    /// The manifest, as the image's index describes it.
    pub descriptor: Descriptor,
    /// The platform: that of the descriptor, or else the one that the configuration names. Set by
    /// `soci-pull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The configuration. Absent if the manifest was not fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// The type of the artifact, if the manifest is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// `true` if the image's index lists the manifest but the source does not hold it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub missing: bool,
    /// The SOCI index of version 2 that the manifest names, if the image is converted: the index
    /// that lists the manifest lists the SOCI index too. Set by `soci-pull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soci_index: Option<Descriptor>,
    /// What to do with the manifest. Set by `soci-plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ManifestDecision>,
    /// The layers, base first. Empty if the manifest was not fetched.
    #[serde(default)]
    pub layers: Vec<LayerEntry>,
    /// The SOCI indexes of the manifest, `null` if no layer was indexed. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Indexing::is_pending")]
    #[schemars(with = "Option<Indexes>")]
    pub index: Indexing<Indexes>,
    /// The lists of spans to fetch before the container starts. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefetch: Vec<Descriptor>,
}

impl ManifestEntry {
    /// Returns the entry of a manifest that was not fetched.
    pub fn new(descriptor: Descriptor) -> Self {
        Self {
            platform: descriptor.platform.clone(),
            descriptor,
            config: None,
            artifact_type: None,
            missing: false,
            soci_index: None,
            plan: None,
            layers: Vec::new(),
            index: Indexing::Pending,
            prefetch: Vec::new(),
        }
    }

    /// Returns the platform: that of the descriptor, or else that of the configuration.
    pub fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref().or(self.descriptor.platform.as_ref())
    }

    /// Returns the platform under which a converted image lists the SOCI index: the one that the
    /// user asked for, or else that of the manifest.
    pub fn planned_platform(&self) -> Option<&Platform> {
        match &self.plan {
            Some(ManifestDecision::Index {
                platform: Some(requested),
            }) => Some(requested),
            _ => self.platform(),
        }
    }

    /// Returns whether the plan is to index this manifest.
    pub const fn is_planned(&self) -> bool {
        matches!(self.plan, Some(ManifestDecision::Index { .. }))
    }
}

/// One layer of an image.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LayerEntry {
    /// The layer, as the manifest describes it.
    pub descriptor: Descriptor,
    /// `false` if the source does not hold the layer, as may be with foreign layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
    /// Whether the SOCI index that the manifest names has a ztoc for the layer. Set by `soci-pull`
    /// if the manifest is not listed in an index, because its annotation may be that of its base
    /// image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered: Option<bool>,
    /// What to do with the layer. Set by `soci-plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<LayerDecision>,
    /// The ztoc, `null` if the layer turned out not to be indexable. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Indexing::is_pending")]
    #[schemars(with = "Option<Descriptor>")]
    pub ztoc: Indexing<Descriptor>,
    /// Where the ztoc comes from, if this run has not built it, or has built it only to prove the
    /// one that it reuses. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<ReuseOrigin>,
    /// The image whose SOCI index the ztoc was taken from, by this run or by the one that put it
    /// into the store. Absent if the ztoc was built with this store. The path of a layout or
    /// archive is absolute. Set by `soci-index`.
    #[serde(
        default,
        rename = "reusedFrom",
        skip_serializing_if = "Option::is_none"
    )]
    pub reused_from: Option<String>,
    /// Why a planned layer has no ztoc. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<UnindexableReason>,
}

impl LayerEntry {
    /// Returns the entry of a layer without a decision.
    pub fn new(descriptor: Descriptor) -> Self {
        Self {
            descriptor,
            held: None,
            covered: None,
            plan: None,
            ztoc: Indexing::Pending,
            reused: None,
            reused_from: None,
            skipped: None,
        }
    }

    /// Returns whether the plan is to index this layer.
    pub const fn is_planned(&self) -> bool {
        matches!(self.plan, Some(LayerDecision::Index))
    }
}

/// The SOCI indexes of one image manifest.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Indexes {
    /// The version 1 index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v1: Option<Descriptor>,
    /// The version 2 index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v2: Option<Descriptor>,
}

/// How long a stage took, and what it read or wrote.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Timing {
    /// Wall-clock time in seconds.
    pub seconds: f64,
    /// Bytes read by `soci-pull` and `soci-index`, or written by `soci-push`.
    pub bytes: u64,
    /// Bytes of layers that were not read, because their ztocs were reused. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<u64>,
}

/// Returns whether a flag is not set, so that it is not written.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests;
