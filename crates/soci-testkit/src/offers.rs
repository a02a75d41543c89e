//! Layouts that offer ztocs of a test's choice in a SOCI index.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::image::{self, OCI};
use crate::store::blob_file;

/// The type of a SOCI index of version 2.
const SOCI_V2: &str = "application/vnd.amazon.soci.index.v2+json";

/// A ztoc, as a SOCI index lists it.
#[derive(Clone, Debug)]
pub struct OfferedZtoc {
    /// The descriptor in the SOCI index.
    pub descriptor: Value,
    /// The bytes of the ztoc.
    pub bytes: Vec<u8>,
}

impl OfferedZtoc {
    /// Returns the ztoc `bytes` for the layer of another descriptor of a ztoc.
    #[must_use]
    pub fn with_bytes(&self, bytes: Vec<u8>) -> Self {
        let mut descriptor = self.descriptor.clone();
        descriptor["digest"] = image::digest(&bytes).into();
        descriptor["size"] = bytes.len().into();
        Self { descriptor, bytes }
    }
}

/// Writes a layout whose only image index lists a SOCI index of version 2 over `ztocs`, built by
/// `tool`. An earlier layout is replaced.
pub fn write_offers(layout: &Path, tool: &str, ztocs: &[OfferedZtoc]) {
    let listed: Vec<&Value> = ztocs.iter().map(|ztoc| &ztoc.descriptor).collect();
    let manifest_type = format!("{OCI}.manifest.v1+json");
    let index = json!({"schemaVersion": 2, "mediaType": manifest_type,
        "config": {"mediaType": SOCI_V2, "digest": image::digest(b"{}"), "size": 2},
        "layers": listed, "annotations": {"com.amazon.soci.build-tool-identifier": tool}});
    drop(fs::remove_dir_all(layout));
    fs::create_dir_all(layout.join("blobs/sha256")).expect("a writable sandbox");
    let marker = r#"{"imageLayoutVersion":"1.0.0"}"#;
    fs::write(layout.join("oci-layout"), marker).expect("a writable sandbox");
    for OfferedZtoc { descriptor, bytes } in ztocs {
        let file = blob_file(layout, &descriptor["digest"]);
        fs::write(file, bytes).expect("a writable sandbox");
    }
    let mut entry = write_json(layout, &manifest_type, &index);
    entry["artifactType"] = json!(SOCI_V2);
    let index_type = format!("{OCI}.index.v1+json");
    let root = json!({"schemaVersion": 2, "mediaType": index_type, "manifests": [entry]});
    let root = write_json(layout, &index_type, &root);
    let index = json!({"schemaVersion": 2, "manifests": [root]});
    fs::write(layout.join("index.json"), index.to_string()).expect("a writable sandbox");
}

/// Writes a blob into a layout and returns its descriptor.
fn write_json(layout: &Path, media_type: &str, value: &Value) -> Value {
    let bytes = value.to_string();
    let digest = json!(image::digest(bytes.as_bytes()));
    fs::write(blob_file(layout, &digest), &bytes).expect("a writable sandbox");
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}
