//! Fields that this release does not know, at any place in a line.
//!
//! They are kept as text, and written byte for byte as they were read. A field is unknown if the
//! line has it and the parsed document, written again, has not: so the types of the document need
//! not care about unknown fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use self::object::{each_item, each_member, is_container, is_object, read_members, read_string};

mod object;

/// Fields that this release does not know, with their places in the line. They are written as they
/// were read, after the known fields of the same object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnknownFields(Option<Arc<Node>>);

/// The unknown fields of an object or list, and of what is in it.
#[derive(Debug, Default, PartialEq)]
struct Node {
    /// The unknown fields as the text of an object, or an empty text.
    fields: String,
    /// What is unknown in the fields that are known.
    known: BTreeMap<String, Self>,
    /// What is unknown in the items of a list, by their positions.
    items: Vec<Item>,
}

/// What is unknown in an item of a list.
#[derive(Debug, PartialEq)]
struct Item {
    position: usize,
    /// The digest that the item is about, if it has one. An item with another digest has taken the
    /// place of this one, and does not get its fields.
    digest: Option<String>,
    node: Node,
}

impl UnknownFields {
    /// Returns no fields.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Returns the fields of `line` that `parsed`, the same line after it was parsed and written,
    /// does not have. Both must be valid JSON. Returns `None` if a list stands in the line instead
    /// of an object: serde would take its items for the fields.
    pub(crate) fn find(line: &str, parsed: &str) -> Option<Self> {
        let mut search = Search::default();
        let node = search.find(line, parsed);
        (!search.has_list_for_object).then(|| Self(node.map(Arc::new)))
    }

    /// Adds the fields to a document that was written without them.
    pub(crate) fn add_to(&self, written: Vec<u8>) -> Vec<u8> {
        let Some(node) = &self.0 else {
            return written;
        };
        let Ok(text) = std::str::from_utf8(&written) else {
            return written;
        };
        let mut line = String::with_capacity(text.len() + node.size());
        node.write(text, &mut line);
        line.into_bytes()
    }
}

impl Node {
    fn add_field(&mut self, key: &RawValue, value: &RawValue) {
        self.fields
            .push(if self.fields.is_empty() { '{' } else { ',' });
        self.fields.push_str(key.get());
        self.fields.push(':');
        // A line end is white space in JSON, and ends a document in JSON Lines.
        match value.get() {
            value if value.contains(['\n', '\r']) => {
                self.fields.push_str(&value.replace(['\n', '\r'], " "));
            }
            value => self.fields.push_str(value),
        }
    }

    fn finish_fields(&mut self) {
        if !self.fields.is_empty() {
            self.fields.push('}');
            self.fields.shrink_to_fit();
        }
    }

    /// Returns about how many bytes the fields add to a line.
    fn size(&self) -> usize {
        let known = self.known.values().map(Self::size);
        let items = self.items.iter().map(|item| item.node.size());
        self.fields.len() + known.chain(items).sum::<usize>()
    }

    /// Writes an object or a list with the fields.
    fn write(&self, value: &str, line: &mut String) {
        if is_object(value) {
            self.write_object(value, line);
        } else if is_container(value) && !self.items.is_empty() {
            self.write_list(value, line);
        } else {
            line.push_str(value);
        }
    }

    fn write_object(&self, value: &str, line: &mut String) {
        let mut separator = '{';
        each_member(value, |key, value| {
            line.push(separator);
            separator = ',';
            line.push_str(key.get());
            line.push(':');
            match self.known.get(read_string(key).as_ref()) {
                Some(node) => node.write(value.get(), line),
                None => line.push_str(value.get()),
            }
        });
        if !self.fields.is_empty() {
            let known = read_members(value);
            each_member(&self.fields, |key, value| {
                // A stage may have set a field that was `null` in the line.
                if !known.contains_key(read_string(key).as_ref()) {
                    line.push(separator);
                    separator = ',';
                    line.push_str(key.get());
                    line.push(':');
                    line.push_str(value.get());
                }
            });
        }
        if separator == '{' {
            line.push('{');
        }
        line.push('}');
    }

    fn write_list(&self, value: &str, line: &mut String) {
        let mut items = self.items.iter().peekable();
        let mut separator = '[';
        let mut position = 0;
        each_item(value, |value| {
            line.push(separator);
            separator = ',';
            let value = value.get();
            match items.next_if(|item| item.position == position) {
                Some(item) if item.digest == digest_of(value) => item.node.write(value, line),
                _ => line.push_str(value),
            }
            position += 1;
        });
        if separator == '[' {
            line.push('[');
        }
        line.push(']');
    }
}

/// The search for unknown fields.
#[derive(Default)]
struct Search {
    has_list_for_object: bool,
}

impl Search {
    /// Returns what an object or a list has that `parsed` has not, or `None` if that is nothing.
    fn find(&mut self, value: &str, parsed: &str) -> Option<Node> {
        let node = match (is_object(value), is_object(parsed)) {
            _ if !is_container(value) || !is_container(parsed) => return None,
            (true, true) => self.search_object(value, parsed),
            (false, false) => self.search_list(value, parsed),
            (false, true) => {
                self.has_list_for_object = true;
                return None;
            }
            (true, false) => return None,
        };
        (node != Node::default()).then_some(node)
    }

    fn search_object(&mut self, object: &str, parsed: &str) -> Node {
        let mut node = Node::default();
        let known = read_members(parsed);
        each_member(object, |key, value| {
            let name = read_string(key);
            match known.get(name.as_ref()) {
                Some(parsed) => {
                    if let Some(inner) = self.find(value.get(), parsed.get()) {
                        node.known.insert(name.into_owned(), inner);
                    }
                }
                None => node.add_field(key, value),
            }
        });
        node.finish_fields();
        node
    }

    fn search_list(&mut self, list: &str, parsed: &str) -> Node {
        let mut node = Node::default();
        let mut parsed_items: Vec<&RawValue> = Vec::new();
        each_item(parsed, |item| parsed_items.push(item));
        let mut parsed_items = parsed_items.into_iter().enumerate();
        each_item(list, |item| {
            if let Some((position, parsed)) = parsed_items.next()
                && let Some(inner) = self.find(item.get(), parsed.get())
            {
                node.items.push(Item {
                    position,
                    digest: digest_of(parsed.get()),
                    node: inner,
                });
            }
        });
        node
    }
}

/// Returns the digest that an object is about: its own, or that of its descriptor.
fn digest_of(value: &str) -> Option<String> {
    if !is_object(value) {
        return None;
    }
    let members = read_members(value);
    let own = members.get("digest").map(|digest| read_string(digest));
    let of_descriptor = || digest_of(members.get("descriptor")?.get());
    own.map(Cow::into_owned).or_else(of_descriptor)
}

#[cfg(test)]
mod tests;
