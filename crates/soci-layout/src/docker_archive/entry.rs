//! The list of images in an archive.

use serde::Deserialize;

/// The name of the file that lists the images.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";

/// An image as `manifest.json` lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    /// The path of the configuration.
    pub(crate) config: String,
    /// The names of the image, such as `app:v1`.
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    /// The paths of the layers, base first.
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl Entry {
    /// Returns the paths of the layers.
    pub(crate) fn layers(&self) -> &[String] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// Returns the names of the image.
    pub(crate) fn repo_tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}
