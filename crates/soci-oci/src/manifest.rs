//! Image manifests and image indexes of OCI, and their Docker schema 2 equivalents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::descriptor::null_as_default;
use crate::media_type::{is_index, is_manifest};
use crate::{Descriptor, go_json};

/// The maximum size of a manifest or index in bytes. ECR accepts and `containers/image` reads no
/// larger ones.
pub const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;

/// How deep image indexes may be nested: the root has depth 0, an index that it lists has depth 1.
/// Builders nest one level.
pub const MAX_INDEX_DEPTH: usize = 8;

/// An image manifest (OCI image-spec, `manifest.md`), or the manifest of an artifact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u64,
    /// The media type of the manifest. Empty if the field is absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The artifact type, if this is the manifest of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration. Artifact manifests of earlier versions of the specification have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// The layers, base first. `None` is serialized as `null`, as Go does with a missing list.
    #[serde(default)]
    pub layers: Option<Vec<Descriptor>>,
    /// The manifest that this one is a referrer of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, sorted by key.
    #[serde(
        default,
        deserialize_with = "null_as_default",
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
    /// The media type of the index. Empty if the field is absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The artifact type, if this is the manifest of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests. The first one that matches a platform is used for it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this index is a referrer of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Annotations, sorted by key.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest or an index: what a reference or an entry of an index can resolve to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Root {
    /// An image index or a manifest list.
    Index(Box<Index>),
    /// An image manifest.
    Manifest(Box<Manifest>),
}

/// Why a manifest or an index is rejected.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The document is larger than [`MANIFEST_LIMIT`].
    #[error("manifest has {size} bytes, expected at most {MANIFEST_LIMIT}")]
    TooLarge {
        /// The size in bytes.
        size: usize,
    },
    /// The document is not JSON, or a field is missing or malformed.
    #[error("manifest is not valid")]
    Json(#[from] serde_json::Error),
    /// The document can be parsed as a manifest and as an index (CVE-2021-41190).
    #[error(
        "manifest has both `manifests` and `layers`, so it could be read as an index or as an image manifest"
    )]
    Ambiguous,
    /// The schema version is not 2.
    #[error("manifest has schemaVersion {0}, expected 2")]
    SchemaVersion(u64),
    /// The `mediaType` in the document is not the expected one.
    #[error("manifest has mediaType `{own}`, expected `{expected}`")]
    MediaType {
        /// The media type in the document.
        own: String,
        /// The media type in the descriptor or in the HTTP response.
        expected: String,
    },
    /// The media type is neither that of a manifest nor that of an index.
    #[error("media type `{0}` is neither a manifest nor an index")]
    Unknown(String),
}

/// The fields that distinguish manifests from indexes.
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
    /// Parses a manifest or an index. `media_type` is that of the descriptor or of the HTTP
    /// response. If it is empty, the `mediaType` in the document is used, or else the fields of the
    /// document decide.
    ///
    /// # Errors
    ///
    /// Returns an error if the document is larger than [`MANIFEST_LIMIT`], is not JSON, has another
    /// schema version than 2, or is not of the type `media_type`.
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

/// Returns whether bytes are a manifest of a kind that is neither an image of OCI or of Docker's
/// schema 2, nor an index of such images: one of Docker's schema 1, an artifact manifest of OCI 1.1
/// before its release, or one of ORAS. `media_type` is that of the descriptor or of the HTTP
/// response.
pub fn is_other_manifest(bytes: &[u8], media_type: &str) -> bool {
    /// The fields that name the kind of a manifest.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        #[serde(default)]
        schema_version: Option<u64>,
        #[serde(default)]
        media_type: Option<String>,
    }
    let Ok(kind) = serde_json::from_slice::<Kind>(bytes) else {
        return false;
    };
    let media_type = kind.media_type.as_deref().unwrap_or(media_type);
    kind.schema_version == Some(1)
        || media_type.starts_with("application/vnd.")
            && !is_index(media_type)
            && !is_manifest(media_type)
}

impl Manifest {
    /// Returns the layers, base first.
    pub fn layers(&self) -> &[Descriptor] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// Serializes the manifest as Go does.
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json::to_vec(self)
    }
}

impl Index {
    /// Serializes the index as Go does.
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

    #[test]
    fn parses_manifests_and_indexes() {
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
    fn rejects_ambiguous_documents() {
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

    #[test]
    fn knows_manifests_of_other_kinds() {
        let schema_1 = br#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(is_other_manifest(schema_1, DOCKER_MANIFEST));
        let artifact = br#"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}"#;
        assert!(is_other_manifest(artifact, ""));
        let image = br#"{"schemaVersion":2,"layers":[]}"#;
        assert!(!is_other_manifest(image, OCI_MANIFEST));
        assert!(!is_other_manifest(image, "text/html"));
        assert!(!is_other_manifest(
            b"<html>",
            "application/vnd.oci.artifact.manifest.v1+json"
        ));
    }
}
