//! The reference of an image, as the user wrote it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use soci_oci::Reference;
use soci_oci::reference::ReferenceError;

/// A parsed reference together with its text.
///
/// It is written as the user wrote it: `debian` stays `debian`, while [`Self::reference`] is
/// `docker.io/library/debian:latest`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageReference {
    text: String,
    reference: Reference,
}

impl ImageReference {
    /// Returns the text as the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the reference that the text stands for.
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Returns whether `other`, the text of another reference, is to the same repository, layout or
    /// archive. A path that is relative in one of them and absolute in the other counts as another.
    pub fn is_in_repository_of(&self, other: &str) -> bool {
        let other = other.parse::<Reference>();
        other.is_ok_and(|other| self.reference.same_repository(&other))
    }
}

impl From<Reference> for ImageReference {
    fn from(reference: Reference) -> Self {
        Self {
            text: reference.to_string(),
            reference,
        }
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self {
            text: text.to_owned(),
            reference: text.parse()?,
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ImageReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl JsonSchema for ImageReference {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text_of_the_user() {
        let image: ImageReference = serde_json::from_str("\"debian\"").expect("a reference");
        let full = "docker.io/library/debian:latest";
        assert_eq!(image.reference().to_string(), full);
        assert_eq!(serde_json::to_string(&image).expect("JSON"), "\"debian\"");
        assert_eq!(
            (image.as_str(), image.to_string().as_str()),
            ("debian", "debian")
        );
    }
}
