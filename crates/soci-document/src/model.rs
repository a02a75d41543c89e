//! The fields of the document, as each stage leaves them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use soci_oci::{Descriptor, Platform};

/// The version of the document that this release reads and writes.
pub const VERSION: u64 = 1;

/// Fields that this release does not know, kept as they came.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// One image on its way through the stages.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Document {
    /// The version of the document: 1.
    pub version: u64,
    /// The reference of the image, as the user gave it.
    pub image: String,
    /// What the reference resolved to.
    pub root: Descriptor,
    /// What is to be done. Set by `soci-plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The manifests of the image: one for each platform, and whatever else its index lists.
    pub manifests: Vec<ManifestEntry>,
    /// The converted image (SOCI version 2), `null` where nothing was to be indexed. Set by `soci-index`.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Descriptor>")]
    pub converted: Option<Option<Descriptor>>,
    /// What was pushed. Set by `soci-push`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// How long each stage took, and how many bytes it read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timing: BTreeMap<String, Timing>,
    /// Fields that this release does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Every decision: given this and the layers, the index is determined byte for byte.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The platforms to index, as they were asked for; `all` for each that the image has.
    pub platforms: Vec<String>,
    /// Layers smaller than this many bytes are not indexed.
    pub min_layer_size: u64,
    /// The distance between checkpoints in bytes of the uncompressed layer.
    pub span_size: u64,
    /// Which SOCI indexes to make.
    pub index_version: IndexVersions,
    /// Optimizations to apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optimizations: Vec<Optimization>,
    /// Files to fetch before the container starts, as paths in the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefetch_files: Vec<String>,
    /// Images whose SOCI indexes are looked at besides those of the image itself, as references: the ztocs that they have for
    /// layers of this image are taken over. What is made stays the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reuse_from: Vec<String>,
    /// Fields that this release does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which SOCI indexes to make.
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
    /// Says whether a version 1 index is wanted.
    pub const fn has_v1(self) -> bool {
        matches!(self, Self::Both | Self::V1)
    }

    /// Says whether a version 2 index is wanted.
    pub const fn has_v2(self) -> bool {
        matches!(self, Self::Both | Self::V2)
    }
}

/// Something that makes the index serve better without changing what it says.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimization {
    /// Tell readers where a layer has no extended attributes, so that they need not look.
    Xattr,
}

/// One manifest of the image.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestEntry {
    /// The manifest, as the image's index describes it.
    pub descriptor: Descriptor,
    /// The platform that the configuration names, where the descriptor names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The configuration. Absent where the manifest was not fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// The type of an artifact, where the manifest is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// `true` where the image's index lists the manifest and the source does not hold it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub missing: bool,
    /// What is to be done with the manifest. Set by `soci-plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ManifestDecision>,
    /// The layers, the base first. Empty where the manifest was not fetched.
    #[serde(default)]
    pub layers: Vec<LayerEntry>,
    /// The SOCI indexes made of it, `null` where no layer was to be indexed. Set by `soci-index`.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Indexes>")]
    pub index: Option<Option<Indexes>>,
    /// The lists of spans to fetch before the container starts. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefetch: Vec<Descriptor>,
    /// Fields that this release does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ManifestEntry {
    /// Returns the platform: the descriptor's own or else the configuration's.
    pub fn platform(&self) -> Option<&Platform> {
        self.descriptor.platform.as_ref().or(self.platform.as_ref())
    }

    /// Says whether the plan is to index this manifest.
    pub fn is_planned(&self) -> bool {
        self.plan
            .as_ref()
            .is_some_and(|plan| plan.action == Action::Index)
    }
}

/// One layer of an image.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LayerEntry {
    /// The layer, as the manifest describes it.
    pub descriptor: Descriptor,
    /// `false` where the source does not hold the layer (a foreign layer, which lies elsewhere).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
    /// What is to be done with the layer. Set by `soci-plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<LayerDecision>,
    /// The ztoc, `null` where the layer turned out not to be indexable. Set by `soci-index`.
    #[serde(default, with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Descriptor>")]
    pub ztoc: Option<Option<Descriptor>>,
    /// Why a planned layer has no ztoc. Set by `soci-index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<UnindexableReason>,
    /// Fields that this release does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl LayerEntry {
    /// Returns a layer of which nothing is decided.
    pub fn new(descriptor: Descriptor) -> Self {
        Self {
            descriptor,
            held: None,
            plan: None,
            ztoc: None,
            skipped: None,
            extra: Extra::new(),
        }
    }

    /// Says whether the plan is to index this layer.
    pub fn is_planned(&self) -> bool {
        self.plan
            .as_ref()
            .is_some_and(|plan| plan.action == Action::Index)
    }
}

/// What the plan does with a manifest or a layer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Index it.
    Index,
    /// Leave it out.
    Skip,
}

/// What the plan does with a manifest, and why.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ManifestDecision {
    /// What is done.
    pub action: Action,
    /// Why the manifest is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ManifestReason>,
    /// The platform as it was asked for: the SOCI index is entered under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// What the plan does with a layer, and why.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LayerDecision {
    /// What is done.
    pub action: Action,
    /// Why the layer is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<LayerReason>,
}

/// Why a manifest is not indexed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestReason {
    /// It is the SOCI index of an earlier conversion.
    AlreadyConverted,
    /// It attests another manifest.
    Attestation,
    /// The image's index lists it and the source does not hold it.
    Missing,
    /// It is an artifact, or of a kind that is not known.
    NotAnImage,
    /// Its platform was not asked for.
    Platform,
}

/// Why a layer is not indexed, as far as the plan can tell.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerReason {
    /// An index in the registry has its ztoc.
    AlreadyIndexed,
    /// It is smaller than the least size.
    BelowMinLayerSize,
    /// It is encrypted.
    Encrypted,
    /// Excluded by hand.
    Excluded,
    /// It lies elsewhere, and the source does not hold it.
    Foreign,
    /// It is no layer, or one of a version that is not known.
    UnknownMediaType,
    /// It is compressed in a way that a ztoc cannot describe.
    UnsupportedCompression,
}

/// Why a planned layer turned out not to be indexable. It is sound, and the container starts without an index of it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnindexableReason {
    /// Its tar holds entries that a ztoc cannot hold.
    UnindexableTar,
    /// Its ztoc would be refused, or fail, in every reader.
    UnreadableBySnapshotter,
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

/// What was pushed.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// Where to: a repository, a layout or an archive.
    pub repository: String,
    /// The tags that were set, each as a full reference.
    pub tags: Vec<String>,
    /// How readers find a version 1 index there.
    pub referrers: ReferrersVia,
    /// How many blobs and manifests were uploaded.
    pub uploaded: u64,
    /// How many blobs and manifests were there already.
    pub existing: u64,
    /// How many bytes were uploaded.
    pub bytes: u64,
    /// `true` where nothing was written, since only a dry run was asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// How a referrer is found from its subject.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferrersVia {
    /// By the referrers API.
    Api,
    /// Not at all: no version 1 index was pushed.
    None,
    /// By the fallback tag.
    Tag,
}

/// How long a stage took.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Timing {
    /// Seconds by the clock.
    pub seconds: f64,
    /// Bytes read or written.
    pub bytes: u64,
}

/// Leaves a flag out where it is not set.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Shows a reason as it stands in the document.
macro_rules! display_as_json {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )*};
}
display_as_json!(
    Action,
    IndexVersions,
    LayerReason,
    ManifestReason,
    ReferrersVia,
    UnindexableReason
);

/// Tells a field that is `null` from one that is not there.
mod present {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(
        clippy::option_option,
        reason = "absent, null and a value are three states of a field"
    )]
    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        d: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(d).map(Some)
    }

    #[expect(
        clippy::option_option,
        reason = "absent, null and a value are three states of a field"
    )]
    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer, T: Serialize>(
        value: &Option<Option<T>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(s)
    }
}
