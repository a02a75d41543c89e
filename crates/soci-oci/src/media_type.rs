//! The media types of manifests and configurations.

/// An image manifest of OCI.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image index of OCI.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An image configuration of OCI.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A Docker image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list, version 2.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// The media type of a ztoc.
pub const OCTET_STREAM: &str = "application/octet-stream";
/// The configuration of a SOCI index of version 1. It is also the artifact type of the index.
pub const SOCI_INDEX_V1: &str = "application/vnd.amazon.soci.index.v1+json";
/// The configuration of a SOCI index of version 2. It is also the artifact type of the index.
pub const SOCI_INDEX_V2: &str = "application/vnd.amazon.soci.index.v2+json";
/// A list of spans that a reader fetches before the container starts.
pub const SOCI_PREFETCH: &str = "application/vnd.amazon.soci.prefetch.v1+json";

/// The media types of manifests and indexes, for an `Accept` header.
pub const MANIFESTS: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/// Returns whether a media type is that of an image index or a manifest list.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

/// Returns whether a media type is that of an image manifest.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// Returns whether a media type is that of the configuration of a SOCI index, of either version.
pub fn is_soci_index(media_type: &str) -> bool {
    matches!(media_type, SOCI_INDEX_V1 | SOCI_INDEX_V2)
}

/// Returns whether a media type is that of an image configuration.
pub fn is_image_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}
