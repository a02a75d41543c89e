//! Descriptors: media type, digest and size of some content.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Digest, Platform};

/// A content descriptor (OCI image-spec, `descriptor.md`).
///
/// The fields are in the order in which Go's `encoding/json` writes them, so that
/// [`crate::go_json`] serializes the same bytes.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content. Empty if the descriptor has none.
    #[serde(default)]
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes, at most `i64::MAX`: Go programs read it as an `int64`.
    #[serde(deserialize_with = "deserialize_size")]
    pub size: u64,
    /// URLs from which the content may also be downloaded. This project never does.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Annotations, sorted by key.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The content itself, in Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// In an image index: the platform of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The artifact type, if the content is the manifest of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Returns the descriptor of `content`, with the three required fields only.
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self::new(media_type, Digest::of(content), content.len() as u64)
    }

    /// Returns a descriptor with the three required fields only. `size` is in bytes.
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

    /// Returns the descriptor with its three required fields only, as a `subject` needs it.
    #[must_use]
    pub fn reduced(&self) -> Self {
        Self::new(&self.media_type, self.digest, self.size)
    }
}

/// Deserializes a size of at most `i64::MAX` bytes.
fn deserialize_size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(deserializer)?;
    if i64::try_from(size).is_err() {
        return Err(serde::de::Error::custom(format_args!(
            "size {size} exceeds the limit of {} bytes",
            i64::MAX
        )));
    }
    Ok(size)
}

/// Deserializes a list or a map. `null` counts as empty, as in Go.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
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
    fn sizes_must_be_whole_numbers_below_2_to_the_63() {
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
    fn all_fields_survive_a_round_trip() {
        let text = format!(
            r#"{{"mediaType":"a","digest":"{}","size":0,"urls":["u"],"annotations":{{"k":"v"}},"data":"","platform":{{"architecture":"amd64","os":"linux"}},"artifactType":"t"}}"#,
            Digest::of(b"")
        );
        let descriptor: Descriptor = serde_json::from_str(&text).expect("a descriptor");
        assert_eq!(serde_json::to_string(&descriptor).expect("JSON"), text);
    }
}
