//! Image manifests and image indexes, of OCI and of Docker's schema 2.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::descriptor::or_default;
use crate::media_type::{is_index, is_manifest};
use crate::{Descriptor, go_json};

/// The largest manifest or index that is read, in bytes: what ECR takes and what `containers/image` reads.
pub const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;

/// An image manifest (OCI image-spec, `manifest.md`), or the manifest of an artifact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u64,
    /// The manifest's own media type; empty where it does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration. Old artifact manifests have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// The layers, the base first. `null` where the manifest has none, as Go writes a missing list.
    #[serde(default)]
    pub layers: Option<Vec<Descriptor>>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free annotations, in the order of their keys.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// An image index (OCI image-spec, `image-index.md`) or a Docker manifest list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u64,
    /// The index's own media type; empty where it does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests, in the order in which a reader looks for its platform.
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this index refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free annotations, in the order of their keys.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// What stands behind a reference: one image, or one for each of several platforms.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Root {
    /// An image index or a manifest list.
    Index(Box<Index>),
    /// One manifest.
    Manifest(Box<Manifest>),
}

/// Why bytes are not a manifest or an index that can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are longer than any manifest may be.
    #[error("manifest has {size} bytes, expected at most {MANIFEST_LIMIT}")]
    TooLarge {
        /// The length in bytes.
        size: usize,
    },
    /// The bytes are not JSON of the right shape.
    #[error("manifest is not valid")]
    Json(#[from] serde_json::Error),
    /// Could be read as a manifest and as an index (CVE-2021-41190).
    #[error("manifest has both `manifests` and `layers`, so readers disagree on what it is")]
    Ambiguous,
    /// The version is not one that this project reads.
    #[error("manifest has schemaVersion {0}, expected 2")]
    SchemaVersion(u64),
    /// The document says that it is something else than what pointed at it.
    #[error("manifest says its media type is `{own}`, expected `{expected}`")]
    MediaType {
        /// What the document says.
        own: String,
        /// What the descriptor or the registry says.
        expected: String,
    },
    /// Neither a manifest nor an index.
    #[error("media type `{0}` is neither a manifest nor an index")]
    Unknown(String),
}

/// The fields that tell manifests from indexes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe<'a> {
    schema_version: u64,
    #[serde(default, borrow)]
    media_type: std::borrow::Cow<'a, str>,
    #[serde(default, borrow)]
    manifests: Option<&'a serde_json::value::RawValue>,
    #[serde(default, borrow)]
    layers: Option<&'a serde_json::value::RawValue>,
}

impl Root {
    /// Reads the manifest or index in `bytes`. `media_type` is what the descriptor or the registry says it is; where that
    /// is empty, the document itself must say it.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are too long, not JSON, of another schema version, or not what `media_type` says.
    pub fn parse(bytes: &[u8], media_type: &str) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(ManifestError::TooLarge { size: bytes.len() });
        }
        let probe: Probe<'_> = serde_json::from_slice(bytes)?;
        if probe.schema_version != 2 {
            return Err(ManifestError::SchemaVersion(probe.schema_version));
        }
        if probe.manifests.is_some() && probe.layers.is_some() {
            return Err(ManifestError::Ambiguous);
        }
        let own = probe.media_type.as_ref();
        if !own.is_empty() && !media_type.is_empty() && own != media_type {
            return Err(ManifestError::MediaType {
                own: own.to_owned(),
                expected: media_type.to_owned(),
            });
        }
        match if media_type.is_empty() {
            own
        } else {
            media_type
        } {
            known if is_index(known) => Ok(Self::Index(Box::new(serde_json::from_slice(bytes)?))),
            known if is_manifest(known) => {
                Ok(Self::Manifest(Box::new(serde_json::from_slice(bytes)?)))
            }
            "" if probe.manifests.is_some() => {
                Ok(Self::Index(Box::new(serde_json::from_slice(bytes)?)))
            }
            "" => Ok(Self::Manifest(Box::new(serde_json::from_slice(bytes)?))),
            other => Err(ManifestError::Unknown(other.to_owned())),
        }
    }
}

impl Manifest {
    /// Returns the layers, the base first.
    pub fn layers(&self) -> &[Descriptor] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// Returns the bytes of the manifest as Go writes them.
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json::to_vec(self)
    }
}

impl Index {
    /// Returns the bytes of the index as Go writes them.
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

    #[test]
    fn tells_manifests_from_indexes() {
        let manifest = br#"{"schemaVersion":2,"layers":[]}"#;
        assert!(matches!(
            Root::parse(manifest, OCI_MANIFEST),
            Ok(Root::Manifest(_))
        ));
        let index = br#"{"schemaVersion":2,"manifests":[]}"#;
        assert!(matches!(Root::parse(index, OCI_INDEX), Ok(Root::Index(_))));
        assert!(matches!(Root::parse(index, ""), Ok(Root::Index(_))));
    }

    #[test]
    fn refuses_what_readers_would_disagree_on() {
        let both = br#"{"schemaVersion":2,"layers":[],"manifests":[]}"#;
        assert!(matches!(
            Root::parse(both, OCI_MANIFEST),
            Err(ManifestError::Ambiguous)
        ));
        let other = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","layers":[]}"#;
        assert!(matches!(
            Root::parse(other, DOCKER_MANIFEST),
            Err(ManifestError::MediaType { .. })
        ));
        let first = br#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(matches!(
            Root::parse(first, DOCKER_MANIFEST),
            Err(ManifestError::SchemaVersion(1))
        ));
        let second = br#"{"schemaVersion":"2","layers":[]}"#;
        assert!(matches!(
            Root::parse(second, DOCKER_MANIFEST),
            Err(ManifestError::Json(_))
        ));
        assert!(matches!(
            Root::parse(br#"{"schemaVersion":2}"#, "text/html"),
            Err(ManifestError::Unknown(_))
        ));
    }
}
