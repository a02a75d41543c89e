//! A document is written as it was read, with the fields of its user in their order.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};
use soci_document::{Document, Line};

/// The documents of an earlier release, one in each line.
const DOCUMENTS: [&str; 4] = [
    include_str!("../../../tests/documents/baaa73f/pulled.jsonl"),
    include_str!("../../../tests/documents/baaa73f/planned.jsonl"),
    include_str!("../../../tests/documents/baaa73f/indexed.jsonl"),
    include_str!("../../../tests/documents/baaa73f/pushed.jsonl"),
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Generates fields that no release has.
fn any_fields() -> impl Strategy<Value = Vec<(String, Value)>> {
    vec(("x-.{0,6}", any_json()), 0..4)
}

/// Adds the fields to an object, in their order.
fn add(object: &mut Value, fields: &[(String, Value)]) {
    let object = object.as_object_mut().expect("an object");
    for (name, value) in fields {
        object.insert(name.clone(), value.clone());
    }
}

proptest! {
    #[test]
    fn fields_of_the_user_come_out_as_they_went_in(
        which in any::<prop::sample::Index>(),
        of_document in any_fields(),
        of_manifest in any_fields(),
        of_layer in any_fields(),
    ) {
        let lines: Vec<&str> = DOCUMENTS.iter().flat_map(|text| text.lines()).collect();
        let mut document: Value = serde_json::from_str(which.get::<&str>(&lines)).expect("JSON");
        add(&mut document, &of_document);
        if let Some(manifest) = document.pointer_mut("/manifests/0") {
            add(manifest, &of_manifest);
        }
        if let Some(layer) = document.pointer_mut("/manifests/0/layers/0") {
            add(layer, &of_layer);
        }
        let line = serde_json::to_vec(&document).expect("JSON");
        let Ok(Line::Document(parsed)) = Line::parse(&line) else {
            return Err(TestCaseError::fail("the document is refused"));
        };
        let written = parsed.to_line();
        prop_assert_eq!(written.iter().position(|byte| *byte == b'\n'), Some(written.len() - 1));
        let again: Value = serde_json::from_slice(&written).expect("JSON");
        for (pointer, fields) in [
            ("", &of_document),
            ("/manifests/0", &of_manifest),
            ("/manifests/0/layers/0", &of_layer),
        ] {
            let Some(before) = document.pointer(pointer).and_then(Value::as_object) else {
                continue;
            };
            let after = again.pointer(pointer).and_then(Value::as_object).expect("an object");
            let own = |object: &Map<String, Value>| -> Vec<(String, Value)> {
                let own = object.iter().filter(|(name, _)| fields.iter().any(|(own, _)| own == *name));
                own.map(|(name, value)| (name.clone(), value.clone())).collect()
            };
            prop_assert_eq!(own(after), own(before));
        }
        let again = Document::from_line(&written).expect("a document that was written");
        prop_assert_eq!(again.to_line(), written);
    }

    #[test]
    fn other_lines_are_refused_without_a_panic(text in any::<String>(), fields in any_fields()) {
        drop(Line::parse(text.as_bytes()));
        let object: Map<_, _> = fields.into_iter().collect();
        drop(Line::parse(&serde_json::to_vec(&object).expect("JSON")));
    }
}

/// Without `float_roundtrip`, `serde_json` may read a number with many digits as a neighbour of the
/// nearest one, and each stage would change it again.
#[test]
fn seconds_stay_as_they_are() {
    let line = DOCUMENTS[0].lines().next().expect("a document");
    let mut document: Value = serde_json::from_str(line).expect("JSON");
    document["timing"]["pull"]["seconds"] = Value::Null;
    let number = "\"seconds\":1.0245104092233720368547758085";
    let line = document.to_string().replace("\"seconds\":null", number);
    let read = |line: &[u8]| Document::from_line(line).expect("a document");
    let written = read(line.as_bytes()).to_line();
    assert_eq!(read(&written).to_line(), written);
}
