//! The JSON Schema of the document, generated from its types.

use schemars::generate::SchemaSettings;
use serde_json::json;

use crate::{Document, FailedImage};

/// Returns the JSON Schema of the lines, which is published as `docs/document.schema.json`: the
/// document of an image, or a failed image.
///
/// # Panics
///
/// Never: a schema is JSON, and the types have the fields that are named here.
pub fn json_schema() -> String {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let lines = [
        generator.subschema_for::<Document>(),
        generator.subschema_for::<FailedImage>(),
    ];
    let mut definitions = generator.take_definitions(true);
    let fields = definitions["Document"]["properties"].clone();
    definitions["Document"]["properties"]["error"] =
        json!({"description": "Present in failed images only.", "type": "null"});
    let failed = definitions["FailedImage"]["properties"].as_object_mut();
    let failed = failed.expect("the fields of a failed image");
    for (name, field) in fields.as_object().expect("the fields of a document") {
        failed.entry(name).or_insert_with(|| field.clone());
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "SOCI document, version 1",
        "description": "A line that a stage reads or writes: the document of an image, or a failed image.",
        "oneOf": lines,
        "$defs": definitions,
    });
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the published schema with the types. To update it, run
    /// `UPDATE_SCHEMA=1 cargo test -p soci-document`.
    #[test]
    fn matches_the_published_file() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/document.schema.json"
        );
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, json_schema()).expect("the schema can be written");
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            published,
            json_schema(),
            "docs/document.schema.json is stale: UPDATE_SCHEMA=1 cargo test -p soci-document"
        );
    }

    #[test]
    fn rejects_documents_that_lack_fields() {
        let schema: serde_json::Value = serde_json::from_str(&json_schema()).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        assert!(!validator.is_valid(&serde_json::json!({"version": 1})));
        let digest = soci_oci::Digest::of(b"").to_string();
        let root = serde_json::json!({"mediaType": "m", "digest": digest, "size": 1});
        let mut document = serde_json::json!({"version": 1, "image": "a", "root": root, "manifests": [], "mine": 1});
        assert!(validator.is_valid(&document));
        document["root"]["digest"] = "sha256:../x".into();
        assert!(!validator.is_valid(&document));
    }

    #[test]
    fn accepts_failed_images_and_parts_of_images() {
        let schema: serde_json::Value = serde_json::from_str(&json_schema()).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let error = json!({"stage": "soci-pull", "exit": 80, "message": "not found"});
        let failed = json!({"version": 1, "error": error});
        assert!(validator.is_valid(&failed));
        let digest = soci_oci::Digest::of(b"");
        let root = json!({"mediaType": "m", "digest": digest, "size": 1});
        let mut part = json!({"version": 1, "image": "a", "root": root, "manifests": []});
        part["error"] = json!(null);
        assert!(validator.is_valid(&part));
        part["error"] = error;
        assert!(validator.is_valid(&part));
        part["root"] = json!(1);
        assert!(!validator.is_valid(&part));
        for (field, value) in [
            ("exit", json!(0)),
            ("exit", json!(256)),
            ("stage", json!(1)),
        ] {
            let mut malformed = failed.clone();
            malformed["error"][field] = value;
            assert!(!validator.is_valid(&malformed), "{malformed}");
        }
        assert!(!validator.is_valid(&json!({"version": 1, "error": {}})));
    }
}
