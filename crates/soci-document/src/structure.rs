//! A check of the objects and lists of a line, before its fields are read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

/// How deep objects and lists may be nested.
pub(crate) const MAX_DEPTH: usize = 127;

/// The largest number of values in fields that this release knows: what a value takes in memory is
/// many times its text.
pub(crate) const MAX_VALUES: usize = 1 << 19;

/// The length in bytes up to which a line cannot have too many values.
const SHORT_LINE: usize = 1 << 20;

/// The length in bytes up to which a number without an exponent is in the range of a `f64`.
const LONGEST_SURE_NUMBER: usize = 300;

/// The schema of the lines, whose fields are those that this release knows.
const SCHEMA: &str = include_str!("../../../docs/document.schema.json");

/// What is wrong with the objects and lists of a line.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum StructureFault {
    /// An object has this key twice. JSON parsers differ in which of two values they use, so such a
    /// document would mean different things to different tools.
    DuplicateKey(String),
    /// Objects and lists are nested more than [`MAX_DEPTH`] deep.
    TooDeep,
    /// There are more than [`MAX_VALUES`] values in known fields.
    TooManyValues,
    /// A string or number that JSON parsers read differently, or not at all.
    Ambiguous {
        /// Its position, in bytes from the start of the line.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Checks a text, which must be valid JSON.
///
/// # Errors
///
/// Returns the first fault.
pub(crate) fn check_structure(json: &str) -> Result<(), StructureFault> {
    let known = (json.len() > SHORT_LINE).then(KnownFields::of_schema);
    let mut scan = Scan {
        known,
        ..Scan::default()
    };
    let bytes = json.as_bytes();
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        let end = match byte {
            b'"' => end_of_string(bytes, position),
            b'{' | b'[' | b'}' | b']' | b',' | b':' => position + 1,
            byte if byte.is_ascii_whitespace() => position + 1,
            _ => end_of_word(bytes, position),
        };
        check_scalar(&json[position..end]).map_err(|problem| StructureFault::Ambiguous {
            offset: position,
            problem,
        })?;
        match byte {
            b'"' if scan.expects_key => scan.read_key(&json[position..end]),
            b'{' => scan.open(Kind::Object)?,
            b'[' => scan.open(Kind::List)?,
            b'}' | b']' => scan.close()?,
            b',' => scan.expects_key = scan.is_in_object(),
            b':' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => scan.count_value()?,
        }
        position = end;
    }
    Ok(())
}

/// Checks that a string has a text, and that a number is in the range of a `f64`: other parsers
/// replace lone surrogates, and read `1e400` as infinity or as the largest number (RFC 8259,
/// sections 6 and 8.2). Accepts all other parts of JSON.
fn check_scalar(text: &str) -> Result<(), &'static str> {
    if text.starts_with('"') {
        let is_text = !text.contains("\\u") || serde_json::from_str::<Cow<'_, str>>(text).is_ok();
        return is_text.then_some(()).ok_or("lone surrogate in a string");
    }
    let may_be_large = text.len() > LONGEST_SURE_NUMBER || text.contains(['e', 'E']);
    if may_be_large && text.parse().is_ok_and(f64::is_infinite) {
        return Err("number out of range");
    }
    Ok(())
}

/// Returns the position after the string that starts at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'"' => return position + 1,
            b'\\' => position += 2,
            _ => position += 1,
        }
    }
    bytes.len()
}

/// Returns the position after the number or literal that starts at `start`.
fn end_of_word(bytes: &[u8], start: usize) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
    let length = bytes[start..].iter().position(ends);
    length.map_or(bytes.len(), |length| start + length)
}

/// The names of the fields in the schema.
#[derive(Debug, Default)]
struct KnownFields {
    names: BTreeSet<String>,
    /// The fields that are objects with keys of the user's choice, such as annotations.
    maps: BTreeSet<String>,
}

impl KnownFields {
    fn of_schema() -> Self {
        let mut fields = Self::default();
        if let Ok(schema) = serde_json::from_str(SCHEMA) {
            fields.collect(&schema);
        }
        fields
    }

    fn classify(&self, name: &str) -> Field {
        if self.maps.contains(name) {
            Field::Map
        } else if self.names.contains(name) {
            Field::Known
        } else {
            Field::Unknown
        }
    }

    fn collect(&mut self, schema: &Value) {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                self.names.insert(name.clone());
                if property.get("additionalProperties").is_some() {
                    self.maps.insert(name.clone());
                }
            }
        }
        match schema {
            Value::Object(fields) => fields.values().for_each(|schema| self.collect(schema)),
            Value::Array(schemas) => schemas.iter().for_each(|schema| self.collect(schema)),
            _ => {}
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Object,
    List,
}

/// What a field of an object is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Field {
    /// One of the user.
    #[default]
    Unknown,
    /// One that this release knows.
    Known,
    /// A known field that is an object with keys of the user's choice.
    Map,
}

/// An object or list that has begun.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    /// Whether its values are counted: it is not in a field of the user.
    is_counted: bool,
    /// Whether its keys are the user's choice, and its values are known.
    is_map: bool,
    /// Where its keys start in the list of all keys.
    first_key: usize,
}

/// What was read so far.
#[derive(Debug, Default)]
struct Scan<'a> {
    /// The known fields, if values are counted.
    known: Option<KnownFields>,
    frames: Vec<Frame>,
    /// The keys of all objects that have begun.
    keys: Vec<Cow<'a, str>>,
    expects_key: bool,
    values: usize,
    /// What the field of the next value in an object is.
    next_field: Field,
}

impl<'a> Scan<'a> {
    fn is_in_object(&self) -> bool {
        let frame = self.frames.last();
        frame.is_some_and(|frame| frame.kind == Kind::Object)
    }

    /// Returns whether the next value is counted.
    fn is_counted(&self) -> bool {
        match self.frames.last() {
            None => true,
            Some(frame) if frame.kind == Kind::List || frame.is_map => frame.is_counted,
            Some(frame) => frame.is_counted && self.next_field != Field::Unknown,
        }
    }

    /// Reads a key with its quotation marks.
    fn read_key(&mut self, quoted: &'a str) {
        self.expects_key = false;
        let plain = quoted.trim_matches('"');
        let key = if quoted.contains('\\') {
            serde_json::from_str(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned)
        } else {
            Cow::Borrowed(plain)
        };
        if let Some(known) = &self.known {
            self.next_field = known.classify(&key);
        }
        self.keys.push(key);
    }

    fn count_value(&mut self) -> Result<(), StructureFault> {
        if self.known.is_some() && self.is_counted() {
            self.values += 1;
            if self.values > MAX_VALUES {
                return Err(StructureFault::TooManyValues);
            }
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<(), StructureFault> {
        self.count_value()?;
        if self.frames.len() == MAX_DEPTH {
            return Err(StructureFault::TooDeep);
        }
        let frame = Frame {
            kind,
            is_counted: self.is_counted(),
            is_map: self.is_in_object() && self.next_field == Field::Map,
            first_key: self.keys.len(),
        };
        self.frames.push(frame);
        self.expects_key = kind == Kind::Object;
        Ok(())
    }

    fn close(&mut self) -> Result<(), StructureFault> {
        self.expects_key = false;
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let keys = &mut self.keys[frame.first_key..];
        keys.sort_unstable();
        let mut pairs = keys.windows(2);
        if let Some([key, _]) = pairs.find(|pair| pair[0] == pair[1]) {
            return Err(StructureFault::DuplicateKey(key.to_string()));
        }
        self.keys.truncate(frame.first_key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_duplicate_keys_at_any_depth() {
        for json in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"b":[{"c":1,"\u0063":1}]}"#,
            r#"[{"\"":{},"x":"y","\"":[]}]"#,
        ] {
            let fault = check_structure(json).expect_err(json);
            assert!(matches!(fault, StructureFault::DuplicateKey(_)), "{json}");
        }
        for json in [
            r#"{"a":{"a":"a"},"b":["a","a",{"a":1},{"a":1}]}"#,
            r#" {"a" : "\\" , "b" : "\"a\":" } "#,
            r#"{"\ud83d\ude00":1,"\ud83d\ude01":2}"#,
            "1",
            "-0",
            "1.10",
            "1E5",
            "[]",
        ] {
            assert_eq!(check_structure(json), Ok(()), "{json}");
        }
    }

    #[test]
    fn refuses_what_parsers_read_differently() {
        let long = "1".repeat(400);
        for json in [
            r#"{"a":"\ud800"}"#,
            r#"{"\udc00":1}"#,
            "[1,-1e400]",
            "1E999",
            &long,
        ] {
            let fault = check_structure(json).expect_err(json);
            assert!(matches!(fault, StructureFault::Ambiguous { .. }), "{json}");
        }
    }

    #[test]
    fn limits_the_depth() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check_structure(&nested(MAX_DEPTH)), Ok(()));
        let deeper = nested(MAX_DEPTH + 1);
        assert_eq!(check_structure(&deeper), Err(StructureFault::TooDeep));
    }

    #[test]
    fn counts_the_values_of_known_fields_only() {
        let list = vec!["\"\""; MAX_VALUES].join(",");
        for (json, expected) in [
            (format!(r#"{{"mine":[{list}]}}"#), Ok(())),
            (
                format!(r#"{{"mine":{{"tags":[{list}],"annotations":[{list}]}}}}"#),
                Ok(()),
            ),
            // With the list and the two objects around it, one value more than the limit, and none.
            (
                format!(r#"{{"push":{{"tags":[{}]}}}}"#, &list[6..]),
                Err(StructureFault::TooManyValues),
            ),
            (format!(r#"{{"push":{{"tags":[{}]}}}}"#, &list[9..]), Ok(())),
            (
                format!(r#"{{"root":{{"annotations":{{"mine":[{list}]}}}}}}"#),
                Err(StructureFault::TooManyValues),
            ),
        ] {
            assert_eq!(check_structure(&json), expected, "{}", &json[..40]);
        }
    }
}
