//! The file `oci-layout`, which marks a directory or tar as an OCI image layout.

use std::path::Path;

use serde::Deserialize;

use crate::error::LayoutError;

/// The name of the file.
pub(crate) const FILE: &str = "oci-layout";

/// The content of the file, as it is written.
pub(crate) const CONTENT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

#[derive(Deserialize)]
struct Marker {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

/// Checks the content of the file. `path` is the layout or archive, for the error.
pub(crate) fn check(content: &[u8], path: &Path) -> Result<(), LayoutError> {
    match serde_json::from_slice::<Marker>(content) {
        Ok(marker) if marker.version.starts_with("1.") => Ok(()),
        Ok(marker) => Err(LayoutError::not_a_layout(
            path,
            format!(
                "its version is {}, expected 1.0.0",
                marker.version.escape_debug()
            ),
        )),
        Err(_) => Err(LayoutError::not_a_layout(
            path,
            "its file `oci-layout` is malformed",
        )),
    }
}
