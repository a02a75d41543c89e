//! The JSON Schema of the document, generated from its types.

use crate::Document;

/// Returns the JSON Schema of the document that is published as `docs/document.schema.json`.
///
/// # Panics
///
/// Never: a schema is JSON.
pub fn json_schema() -> String {
    let mut schema = schemars::schema_for!(Document);
    schema.insert("title".to_owned(), "SOCI document, version 1".into());
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
}
