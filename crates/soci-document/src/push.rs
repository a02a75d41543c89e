//! What was pushed.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use soci_oci::{Digest, Platform};

use crate::model::is_false;

/// What was pushed.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// The destination: a repository, a layout or an archive.
    pub repository: String,
    /// The tags that were set, or that an unchanged image keeps.
    pub tags: Vec<PushedTag>,
    /// The SOCI indexes of the image that the destination holds now.
    #[serde(default)]
    pub indexes: Vec<PushedIndex>,
    /// How readers find a version 1 index in the destination.
    pub referrers: ReferrersVia,
    /// How many blobs and manifests were uploaded.
    pub uploaded: u64,
    /// How many blobs and manifests the destination already held.
    pub existing: u64,
    /// How many bytes were uploaded.
    pub bytes: u64,
    /// `true` if this was a dry run, which writes nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// A tag, and what it names.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(from = "TagForm")]
pub struct PushedTag {
    /// The tag as a full reference, such as `registry.example/app:v1-soci`.
    pub tag: String,
    /// The digest that the tag names. Absent only while a document of an earlier release is parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// The forms of a tag in a document. The derived implementation would hold all fields in memory,
/// those of the user as well.
#[derive(JsonSchema)]
#[serde(untagged)]
enum TagForm {
    /// A tag, and what it names.
    WithDigest {
        /// The tag as a full reference, such as `registry.example/app:v1-soci`.
        tag: String,
        /// The digest that the tag names.
        digest: Digest,
    },
    /// A tag as a full reference, as earlier releases wrote it.
    Name(String),
}

impl<'de> Deserialize<'de> for TagForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            tag: String,
            digest: Digest,
        }

        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = TagForm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tag with its digest")
            }

            fn visit_str<E>(self, name: &str) -> Result<TagForm, E> {
                Ok(TagForm::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<TagForm, A::Error> {
                let Fields { tag, digest } =
                    Fields::deserialize(MapAccessDeserializer::new(object))?;
                Ok(TagForm::WithDigest { tag, digest })
            }
        }

        deserializer.deserialize_any(Form)
    }
}

impl From<TagForm> for PushedTag {
    fn from(form: TagForm) -> Self {
        match form {
            TagForm::WithDigest { tag, digest } => Self {
                tag,
                digest: Some(digest),
            },
            TagForm::Name(tag) => Self { tag, digest: None },
        }
    }
}

/// A SOCI index in the destination.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PushedIndex {
    /// The version of the index.
    pub version: IndexVersion,
    /// The digest of the index.
    pub digest: Digest,
    /// The platform of the image manifest that the index is for. Absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// The version of a SOCI index.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexVersion {
    /// A referrer of its image manifest.
    V1,
    /// A part of a converted image.
    V2,
}

/// How a registry or layout lists the referrers of a manifest (OCI distribution-spec, "Listing
/// Referrers").
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReferrersVia {
    /// By the referrers API. A layout lists referrers in its `index.json`, which counts as the API.
    Api,
    /// There is no list.
    None,
    /// By an index under the fallback tag `sha256-<hex>`.
    Tag,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_tag_with_and_without_its_digest() {
        let old: PushedTag = serde_json::from_str(r#""r.example/app:v1-soci""#).expect("a tag");
        assert_eq!(
            (old.tag.as_str(), old.digest),
            ("r.example/app:v1-soci", None)
        );
        let digest = Digest::of(b"");
        let json = format!(r#"{{"tag":"r.example/app:v1-soci","digest":"{digest}"}}"#);
        let tag: PushedTag = serde_json::from_str(&json).expect("a tag");
        assert_eq!(tag.digest, Some(digest));
        assert_eq!(serde_json::to_string(&tag).expect("JSON"), json);
    }
}
