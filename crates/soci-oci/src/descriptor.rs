//! Descriptors: how OCI documents point at content.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Digest, Platform};

/// What is known of some content before it is read (OCI image-spec, `descriptor.md`).
///
/// The fields stand in the order in which Go's `encoding/json` writes them; documents whose digest matters are made from
/// this type by [`crate::go_json`].
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is. Empty where the document that holds the descriptor does not say.
    #[serde(default)]
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's length in bytes, at most `i64::MAX` as in every Go program that reads it.
    #[serde(deserialize_with = "size")]
    pub size: u64,
    /// Other places that hold the content. Never fetched by this project.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Free annotations, in the order of their keys.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The content itself in Base64, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// In an image index: what the manifest runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The type of an artifact, where the descriptor points at one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Returns the descriptor of `content`, with nothing but the three fields that must be there.
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self::new(media_type, Digest::of(content), content.len() as u64)
    }

    /// Returns a descriptor with nothing but the three fields that must be there. `size` is in bytes.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: None,
        }
    }

    /// Returns the descriptor reduced to media type, digest and size, as a `subject` holds it.
    #[must_use]
    pub fn reduced(&self) -> Self {
        Self::new(&self.media_type, self.digest, self.size)
    }
}

/// Reads a size: a whole number, at most `i64::MAX`.
fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(deserializer)?;
    if i64::try_from(size).is_err() {
        return Err(serde::de::Error::custom(format_args!(
            "size {size} is over the limit of {} bytes",
            i64::MAX
        )));
    }
    Ok(size)
}

/// Reads a value that may also be `null`, as Go's decoder allows for lists and maps.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_sizes_that_no_blob_has() {
        for size in [
            "-1",
            "1.5",
            "\"12\"",
            "9223372036854775808",
            "18446744073709551616",
            "null",
        ] {
            let text = format!(
                r#"{{"mediaType":"a","digest":"{}","size":{size}}}"#,
                Digest::of(b"")
            );
            assert!(serde_json::from_str::<Descriptor>(&text).is_err(), "{size}");
        }
    }

    #[test]
    fn keeps_what_it_knows() {
        let text = format!(
            r#"{{"mediaType":"a","digest":"{}","size":0,"urls":["u"],"annotations":{{"k":"v"}},"data":"","platform":{{"architecture":"amd64","os":"linux"}},"artifactType":"t"}}"#,
            Digest::of(b"")
        );
        let descriptor: Descriptor = serde_json::from_str(&text).expect("a descriptor");
        assert_eq!(serde_json::to_string(&descriptor).expect("JSON"), text);
    }
}
