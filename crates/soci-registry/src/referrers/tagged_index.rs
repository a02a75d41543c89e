//! The image index under a fallback tag, kept as the text that was read: fields and entries of
//! other clients survive, and a list of many entries takes no more memory than its text.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use soci_oci::{Descriptor, Digest, media_type};

use super::entries::{find_digest, visit_entries};

/// The field that holds the list.
const MANIFESTS: &str = "manifests";

/// The image index under a fallback tag.
#[derive(Clone, Debug)]
pub(super) struct TaggedIndex {
    bytes: Bytes,
    pub(super) digest: Digest,
    pub(super) entity_tag: Option<String>,
}

/// The fields of an index in their order, each once, with their values as text.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl TaggedIndex {
    /// Returns the index `bytes` with this digest. Returns `None` if it is not an object whose
    /// field `manifests` is a list, `null` or absent.
    pub(super) fn parse(bytes: Bytes, digest: Digest, entity_tag: Option<String>) -> Option<Self> {
        let index = Self {
            bytes,
            digest,
            entity_tag,
        };
        match index.list() {
            Ok(None) => Some(index),
            Ok(Some(list)) if visit_entries(list, |_| {}).is_ok() => Some(index),
            _ => None,
        }
    }

    /// Returns the list of referrers, or `None` if the index has no such field.
    ///
    /// # Errors
    ///
    /// Returns an error if the index is not an object.
    pub(super) fn list(&self) -> serde_json::Result<Option<&RawValue>> {
        let Fields(fields) = Fields::parse(&self.bytes)?;
        let mut fields = fields.into_iter();
        let list = fields.find(|(name, _)| name == MANIFESTS);
        Ok(list
            .map(|(_, list)| list)
            .filter(|list| list.get() != "null"))
    }

    /// Returns whether the list has an entry for a manifest.
    pub(super) fn contains(&self, referrer: &Descriptor) -> bool {
        let digest = referrer.digest.to_string();
        let mut is_found = false;
        if let Ok(Some(list)) = self.list() {
            // A list that was parsed before stays one.
            drop(visit_entries(list, |entry| {
                is_found |= find_digest(entry).is_some_and(|found| found == digest);
            }));
        }
        is_found
    }

    /// Returns the digests that the entries name, at most `limit` of them. Returns `None` if there
    /// are more.
    pub(super) fn digests(&self, limit: usize) -> Option<Vec<String>> {
        let mut digests = Vec::new();
        if let Ok(Some(list)) = self.list() {
            drop(visit_entries(list, |entry| {
                if digests.len() <= limit {
                    digests.extend(find_digest(entry));
                }
            }));
        }
        (digests.len() <= limit).then_some(digests)
    }

    /// Returns the bytes of this index, or of a new one, with an entry for `referrer` added and
    /// those of the digests `without` removed.
    ///
    /// # Errors
    ///
    /// Returns an error if the descriptor cannot be written.
    pub(super) fn with_entry(
        before: Option<&Self>,
        referrer: &Descriptor,
        without: &[String],
    ) -> serde_json::Result<Bytes> {
        let mut entries = String::new();
        if let Some(index) = before
            && let Some(list) = index.list()?
        {
            visit_entries(list, |entry| {
                let digest = find_digest(entry);
                if !digest.is_some_and(|digest| without.contains(&digest)) {
                    entries.push_str(entry.get());
                    entries.push(',');
                }
            })?;
        }
        entries.push_str(&serde_json::to_string(referrer)?);
        let list = format!("[{entries}]");
        drop(entries);
        let Some(index) = before else {
            let kind = media_type::OCI_INDEX;
            let new = format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","{MANIFESTS}":{list}}}"#);
            return Ok(new.into());
        };
        let Fields(mut fields) = Fields::parse(&index.bytes)?;
        let list = serde_json::from_str::<&RawValue>(&list)?;
        match fields.iter_mut().find(|(name, _)| name == MANIFESTS) {
            Some((_, value)) => *value = list,
            None => fields.push((MANIFESTS.into(), list)),
        }
        let fields = fields
            .into_iter()
            .map(|(name, value)| Ok(format!("{}:{value}", serde_json::to_string(&name)?)));
        let fields = fields.collect::<serde_json::Result<Vec<_>>>()?;
        Ok(format!("{{{}}}", fields.join(",")).into())
    }
}

impl<'a> Fields<'a> {
    /// Parses an object. Of a field that stands in it twice, the last value counts.
    fn parse(bytes: &'a [u8]) -> serde_json::Result<Self> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::<(Cow<'de, str>, &'de RawValue)>::new();
                while let Some((name, value)) = object.next_entry::<Name<'de>, &RawValue>()? {
                    let known = fields.iter().position(|(known, _)| *known == name.0);
                    match known {
                        Some(known) => fields[known].1 = value,
                        None if fields.len() < MAX_FIELDS => fields.push((name.0, value)),
                        None => return Err(serde::de::Error::custom("too many fields")),
                    }
                }
                Ok(Fields(fields))
            }
        }

        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let fields = deserializer.deserialize_map(Object)?;
        deserializer.end()?;
        Ok(fields)
    }
}

/// Most fields of an index. The specification has seven.
const MAX_FIELDS: usize = 256;

/// The name of a field, borrowed from the text if it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> Option<TaggedIndex> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        TaggedIndex::parse(bytes, Digest::of(b""), None)
    }

    fn referrer() -> Descriptor {
        Descriptor::of("m", b"ours")
    }

    /// Returns the text of an index with [`referrer`] added and the entry `gone` removed.
    fn add(before: &str) -> String {
        let before = index(before).expect("an index");
        let gone = "gone".to_owned();
        let bytes = TaggedIndex::with_entry(Some(&before), &referrer(), &[gone]);
        let bytes = bytes.expect("JSON");
        String::from_utf8(bytes.into()).expect("UTF-8")
    }

    #[test]
    fn keeps_fields_and_entries_as_they_are() {
        let ours = serde_json::to_string(&referrer()).expect("JSON");
        assert_eq!(
            add(
                r#"{"x": 1.10, "manifests": [ {"digest": "a", "y":1e400}, {"digest":"gone"}, 7 ], "x": 2.50}"#
            ),
            format!(r#"{{"x":2.50,"manifests":[{{"digest": "a", "y":1e400}},7,{ours}]}}"#)
        );
        for empty in [r#"{"manifests": null}"#, r#"{"manifests":[]}"#, "{}"] {
            assert_eq!(add(empty), format!(r#"{{"manifests":[{ours}]}}"#));
        }
    }

    #[test]
    fn finds_the_entries_of_a_list() {
        let ours = referrer().digest;
        let found = index(&format!(r#"{{"manifests":[7, {{"digest":"{ours}"}}]}}"#));
        let found = found.expect("an index");
        assert!(found.contains(&referrer()));
        assert_eq!(found.digests(1), Some(vec![ours.to_string()]));
        assert_eq!(found.digests(0), None);
    }

    #[test]
    fn refuses_what_is_no_list() {
        for text in [
            "[]",
            "7",
            "",
            r#"{"manifests": {}}"#,
            r#"{"manifests": []} x"#,
        ] {
            assert!(index(text).is_none(), "{text}");
        }
        let fields: Vec<String> = (0..=MAX_FIELDS).map(|n| format!("\"{n}\":0")).collect();
        assert!(index(&format!("{{{}}}", fields.join(","))).is_none());
    }
}
