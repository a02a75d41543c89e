//! Compares the documents that `soci_testkit::document` makes with those that the tools write.

use serde_json::Value;
use soci_testkit::{
    document::DocumentBuilder,
    image::{self, Image},
    process::Sandbox,
};

use crate::stages::{indexed, layer, stage};

/// Returns the fields of a document without their values, which differ between a stand-in for a
/// ztoc and a real one.
fn without_values(mut document: Value) -> Value {
    fn clear_values(value: &mut Value) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(clear_values),
            Value::Array(entries) => entries.iter_mut().for_each(clear_values),
            other => *other = Value::Null,
        }
    }
    clear_values(&mut document);
    document
}

fn parse_document(line: &[u8]) -> Value {
    let mut document: Value = serde_json::from_slice(line).expect("a document");
    document["timing"] = Value::Null;
    document
}

#[test]
fn the_testkit_makes_the_documents_of_the_tools() {
    for images in [
        vec![Image::new("linux/amd64").layer(layer(1, 3000))],
        vec![
            Image::new("linux/amd64").layer(layer(1, 3000)),
            Image::new("linux/arm64").layer(layer(2, 3000)),
        ],
    ] {
        let (real, made) = (Sandbox::new(), Sandbox::new());
        let layout = real.path().join("image");
        image::write_layout(&layout, &images);
        let builder = DocumentBuilder::new(&made, "oci:image");
        let pulled = stage(&real, "soci-pull").arg("oci:image").run().succeeds();
        let made_pulled = parse_document(&builder.pulled(layout.as_path()));
        assert_eq!(made_pulled, parse_document(&pulled.stdout));
        let planned = stage(&real, "soci-plan").stdin(pulled.stdout).run();
        let planned = parse_document(&planned.succeeds().stdout);
        assert_eq!(parse_document(&builder.planned(layout.as_path())), planned);
        let made_indexed = parse_document(&builder.indexed(layout.as_path()));
        let indexed = parse_document(&indexed(&real, "oci:image"));
        assert_eq!(without_values(made_indexed), without_values(indexed));
    }
}
