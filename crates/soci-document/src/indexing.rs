//! A field that `soci-index` sets: absent, `null` or a value.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What `soci-index` made for a field of the document.
///
/// A field of this type needs `#[serde(default, skip_serializing_if = "Indexing::is_pending")]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Indexing<T> {
    /// Absent in JSON: `soci-index` has not run, or the plan does not ask for the field.
    #[default]
    Pending,
    /// `null` in JSON: `soci-index` has run and there was nothing to index.
    Empty,
    /// What `soci-index` made.
    Done(T),
}

impl<T> Indexing<T> {
    /// Returns whether the field is absent.
    pub const fn is_pending(&self) -> bool {
        matches!(self, Self::Pending)
    }

    /// Returns what was made, if anything was.
    pub const fn as_done(&self) -> Option<&T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Pending | Self::Empty => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Indexing<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Empty, Self::Done))
    }
}

impl<T: Serialize> Serialize for Indexing<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_done().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Object {
        #[serde(default, skip_serializing_if = "Indexing::is_pending")]
        field: Indexing<u8>,
    }

    #[test]
    fn keeps_absent_null_and_a_value_apart() {
        for (json, expected) in [
            ("{}", Indexing::Pending),
            (r#"{"field":null}"#, Indexing::Empty),
            (r#"{"field":1}"#, Indexing::Done(1)),
        ] {
            let object: Object = serde_json::from_str(json).expect("an object");
            assert_eq!(object.field, expected);
            assert_eq!(serde_json::to_string(&object).expect("JSON"), json);
        }
    }
}
