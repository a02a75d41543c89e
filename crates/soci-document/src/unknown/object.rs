//! The members of objects and the items of lists, as the text that they are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Returns whether a value is an object.
pub(super) fn is_object(value: &str) -> bool {
    value.starts_with('{')
}

/// Returns whether a value is an object or a list.
pub(super) fn is_container(value: &str) -> bool {
    value.starts_with(['{', '['])
}

/// Calls `work` with the key and the value of each member of an object, which must be valid JSON.
pub(super) fn each_member<'a>(object: &'a str, work: impl FnMut(&'a RawValue, &'a RawValue)) {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    // The text was parsed before, so that this does not fail.
    drop(deserializer.deserialize_map(Members {
        work,
        text: PhantomData,
    }));
}

/// Calls `work` with each item of a list, which must be valid JSON.
pub(super) fn each_item<'a>(list: &'a str, work: impl FnMut(&'a RawValue)) {
    let mut deserializer = serde_json::Deserializer::from_str(list);
    drop(deserializer.deserialize_seq(Items {
        work,
        text: PhantomData,
    }));
}

/// Returns the members of an object by their names.
pub(super) fn read_members(object: &str) -> BTreeMap<Cow<'_, str>, &RawValue> {
    let mut members = BTreeMap::new();
    each_member(object, |key, value| {
        members.insert(read_string(key), value);
    });
    members
}

/// Returns the text of a string.
pub(super) fn read_string(string: &RawValue) -> Cow<'_, str> {
    let quoted = string.get();
    if quoted.contains('\\') {
        serde_json::from_str(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned)
    } else {
        Cow::Borrowed(quoted.trim_matches('"'))
    }
}

struct Members<'a, F> {
    work: F,
    text: PhantomData<&'a str>,
}

impl<'de: 'a, 'a, F: FnMut(&'a RawValue, &'a RawValue)> Visitor<'de> for Members<'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some((key, value)) = members.next_entry::<&'de RawValue, &'de RawValue>()? {
            (self.work)(key, value);
        }
        Ok(())
    }
}

struct Items<'a, F> {
    work: F,
    text: PhantomData<&'a str>,
}

impl<'de: 'a, 'a, F: FnMut(&'a RawValue)> Visitor<'de> for Items<'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&'de RawValue>()? {
            (self.work)(item);
        }
        Ok(())
    }
}
