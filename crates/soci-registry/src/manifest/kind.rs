//! The media type of a manifest, which its content decides: some registries, and the caches before
//! them, serve manifests as `application/json` or `text/plain`, or without a `Content-Type`.

use serde::Deserialize;
use serde::de::IgnoredAny;
use soci_oci::media_type::{self, is_index, is_manifest};

use crate::error::Damage;
use crate::error::sanitize::sanitize;

/// A manifest of Docker's schema 1, which has no `mediaType`.
const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// The fields that tell the kinds of manifests apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    media_type: Option<String>,
}

/// Returns the media type of the manifest `bytes` that was served as `served`: the one that it
/// declares, or else the one that it was served as, or else the one that its fields tell.
///
/// # Errors
///
/// Returns an error if the document is malformed, or if it was served as another kind of manifest
/// than it declares. The same digest could otherwise stand for two documents (CVE-2021-41190).
pub(crate) fn find_media_type(bytes: &[u8], served: &str) -> Result<String, Damage> {
    let probe: Probe = serde_json::from_slice(bytes).map_err(|error| Damage::Document {
        what: "the manifest",
        reason: error.to_string(),
    })?;
    let served = served.to_ascii_lowercase();
    // Any other type, such as `application/json`, contradicts nothing.
    let is_specific = is_index(&served) || is_manifest(&served);
    match probe.media_type.as_deref().filter(|own| !own.is_empty()) {
        Some(own) if is_specific && own != served => Err(Damage::MediaType {
            served: sanitize(&served),
            found: sanitize(own),
        }),
        Some(own) => Ok(own.to_owned()),
        None if is_specific => Ok(served),
        None => Ok(probe.guess().map_or(served, str::to_owned)),
    }
}

impl Probe {
    /// Returns the media type that the fields tell, as `containers/image` guesses it.
    fn guess(&self) -> Option<&'static str> {
        let config = self.config.as_ref();
        let config_type = config.and_then(|config| config.media_type.as_deref());
        match config_type {
            _ if self.manifests.is_some() => Some(media_type::OCI_INDEX),
            _ if self.fs_layers.is_some() => Some(DOCKER_SCHEMA_1),
            Some(media_type::DOCKER_CONFIG) => Some(media_type::DOCKER_MANIFEST),
            _ if config.is_some() || self.layers.is_some() => Some(media_type::OCI_MANIFEST),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use media_type::{DOCKER_CONFIG, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

    use super::*;

    /// Types that tell nothing about a manifest.
    const GENERAL: [&str; 6] = [
        "",
        "application/json",
        "application/octet-stream",
        "binary/octet-stream",
        "text/html",
        "text/plain",
    ];

    #[test]
    fn rejects_a_manifest_that_is_served_as_an_index() {
        let manifest = format!(r#"{{"mediaType":"{OCI_MANIFEST}"}}"#);
        let found = find_media_type(manifest.as_bytes(), OCI_INDEX);
        assert!(matches!(found, Err(Damage::MediaType { .. })));
    }

    #[test]
    fn the_content_decides_if_the_response_does_not_tell() {
        let docker = format!(r#"{{"config":{{"mediaType":"{DOCKER_CONFIG}"}},"layers":[]}}"#);
        let typed = format!(r#"{{"mediaType":"{DOCKER_MANIFEST}","layers":[]}}"#);
        for (document, expected) in [
            (r#"{"manifests":[]}"#, OCI_INDEX),
            (r#"{"config":{},"layers":[]}"#, OCI_MANIFEST),
            (
                r#"{"mediaType":"","layers":null,"config":{}}"#,
                OCI_MANIFEST,
            ),
            (&docker, DOCKER_MANIFEST),
            (&typed, DOCKER_MANIFEST),
            (r#"{"fsLayers":[]}"#, DOCKER_SCHEMA_1),
        ] {
            for served in GENERAL {
                let found = find_media_type(document.as_bytes(), served);
                assert_eq!(found.as_deref(), Ok(expected), "{document} {served}");
            }
        }
    }

    #[test]
    fn the_response_decides_if_the_document_declares_nothing() {
        let found = find_media_type(br#"{"layers":[]}"#, DOCKER_MANIFEST);
        assert_eq!(found.as_deref(), Ok(DOCKER_MANIFEST));
        let found = find_media_type(b"{}", "application/json");
        assert_eq!(found.as_deref(), Ok("application/json"));
        let upper = OCI_MANIFEST.to_uppercase();
        let found = find_media_type(b"{}", &upper);
        assert_eq!(found.as_deref(), Ok(OCI_MANIFEST));
    }
}
