//! The entries of a list of referrers. Each is judged as it comes, and only what the tools need is
//! kept: registries list everything that refers to an image.

use std::fmt::Display;

use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use soci_oci::Descriptor;

use crate::error::sanitize::sanitize;
use crate::error::{Operation, RegistryError, Violation};

/// Most referrers of one type that are kept.
const MAX_REFERRERS: usize = 1000;

/// Longest entry of a list that is parsed, in bytes. That of a SOCI index has about 500.
const MAX_ENTRY_SIZE: usize = 8 << 10;

/// The referrers of one type, collected from the parts of a list.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    artifact_type: &'a str,
    kept: Vec<Descriptor>,
}

impl<'a> Collector<'a> {
    /// Returns a collector of the referrers of type `artifact_type`.
    pub(super) const fn new(artifact_type: &'a str) -> Self {
        Self {
            artifact_type,
            kept: Vec::new(),
        }
    }

    /// Adds the entries of `list` that are valid descriptors and of the collector's type. An
    /// invalid or very long entry is skipped, because this tool did not write it. If `is_filtered`,
    /// the registry has compared the types.
    ///
    /// # Errors
    ///
    /// Returns an error if `list` is not a list, or if more than [`MAX_REFERRERS`] are kept.
    pub(super) fn add(
        &mut self,
        operation: &Operation,
        list: &RawValue,
        is_filtered: bool,
    ) -> Result<(), RegistryError> {
        let visited = visit_entries(list, |entry| {
            if let Some(found) = parse_descriptor(entry)
                && (is_filtered || found.artifact_type.as_deref() == Some(self.artifact_type))
                && self.kept.len() <= MAX_REFERRERS
            {
                self.kept.push(found);
            }
        });
        visited.map_err(|error| malformed_list(operation, error))?;
        if self.kept.len() > MAX_REFERRERS {
            return Err(operation.protocol(Violation::Limit {
                what: "referrers of one type",
                limit: MAX_REFERRERS as u64,
            }));
        }
        Ok(())
    }

    /// Returns the referrers in the order of the list.
    pub(super) fn finish(self) -> Vec<Descriptor> {
        self.kept
    }
}

fn parse_descriptor(entry: &RawValue) -> Option<Descriptor> {
    let text = entry.get();
    if text.len() > MAX_ENTRY_SIZE {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// Calls `visit` for each element of a list, one after the other.
///
/// # Errors
///
/// Returns an error if `list` is not a list.
pub(super) fn visit_entries(
    list: &RawValue,
    visit: impl FnMut(&RawValue),
) -> serde_json::Result<()> {
    struct EachEntry<F>(F);

    impl<'de, F: FnMut(&RawValue)> Visitor<'de> for EachEntry<F> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(entry) = list.next_element::<&RawValue>()? {
                (self.0)(entry);
            }
            Ok(())
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(list.get());
    deserializer.deserialize_seq(EachEntry(visit))
}

/// Returns the digest that an entry names, as it is written there.
pub(super) fn find_digest(entry: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Entry {
        digest: String,
    }
    let entry: Entry = serde_json::from_str(entry.get()).ok()?;
    Some(entry.digest)
}

/// Returns the error for a malformed list of referrers.
pub(super) fn malformed_list(operation: &Operation, reason: impl Display) -> RegistryError {
    operation.protocol(Violation::Document {
        what: "the list of referrers",
        reason: sanitize(&reason.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_entries_that_are_no_descriptors_and_very_long_ones() {
        let digest = soci_oci::Digest::of(b"x");
        let entry = |kind: &str, padding: usize| {
            let padding = "x".repeat(padding);
            format!(
                r#"{{"mediaType":"m","digest":"{digest}","size":1,"artifactType":"{kind}","annotations":{{"a":"{padding}"}}}}"#
            )
        };
        let entries = [
            entry("wanted", 1),
            entry("other", 1),
            entry("wanted", MAX_ENTRY_SIZE),
            "[0]".to_owned(),
            "7".to_owned(),
        ];
        let list = RawValue::from_string(format!("[{}]", entries.join(","))).expect("JSON");
        let operation = Operation {
            action: "list referrers",
            object: "x".to_owned(),
            registry: "r.example".to_owned(),
            repository: "app".to_owned(),
            is_implied: false,
        };
        for (is_filtered, expected) in [(false, 1), (true, 2)] {
            let mut collector = Collector::new("wanted");
            collector
                .add(&operation, &list, is_filtered)
                .expect("a list");
            assert_eq!(collector.finish().len(), expected);
        }
        let none = RawValue::from_string("{}".to_owned()).expect("JSON");
        let refused = Collector::new("wanted").add(&operation, &none, false);
        assert!(matches!(refused, Err(RegistryError::Protocol { .. })));
    }
}
