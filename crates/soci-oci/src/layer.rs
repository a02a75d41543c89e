//! Media types of layers.

use crate::media_type::SOCI_PREFETCH;

/// The compression of a layer according to its media type. The bytes are not looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LayerCompression {
    /// A tar compressed with gzip.
    Gzip,
    /// An uncompressed tar.
    Tar,
    /// A tar with a compression that a ztoc cannot describe, such as zstd.
    Unsupported,
    /// An encrypted layer.
    Encrypted,
    /// Not a layer, or a layer of an unknown version.
    Unknown,
}

impl LayerCompression {
    /// Returns the compression that a media type names. As in the SOCI snapshotter, the suffixes
    /// after `+` are sorted, and the last one counts.
    pub fn of(media_type: &str) -> Self {
        let mut parts = media_type.split('+');
        let base = parts.next().unwrap_or_default();
        let mut suffixes: Vec<&str> = parts.collect();
        suffixes.sort_unstable();
        if suffixes.contains(&"encrypted") {
            return if is_layer(base) {
                Self::Encrypted
            } else {
                Self::Unknown
            };
        }
        match base {
            "application/vnd.oci.image.layer.v1.tar" => match suffixes.last() {
                None => Self::Tar,
                Some(&"gzip") => Self::Gzip,
                Some(_) => Self::Unsupported,
            },
            "application/vnd.oci.image.layer.nondistributable.v1.tar" => match suffixes.last() {
                Some(&"gzip") => Self::Gzip,
                _ => Self::Unsupported,
            },
            "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar" => Self::Tar,
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
                if suffixes.is_empty() =>
            {
                Self::Gzip
            }
            base if base != SOCI_PREFETCH && is_docker_layer(base) => Self::Unsupported,
            _ => Self::Unknown,
        }
    }
}

/// Returns whether a media type is that of a foreign (non-distributable) layer, which the registry
/// of the image need not hold.
pub fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
}

/// Returns whether a media type is that of a layer.
pub fn is_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.")
        || is_docker_layer(media_type.split('+').next().unwrap_or_default())
}

/// Returns whether `base`, a media type without suffixes, is a layer type of Docker.
fn is_docker_layer(base: &str) -> bool {
    matches!(
        base,
        "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_name_the_compression() {
        let oci = "application/vnd.oci.image.layer.";
        let docker = "application/vnd.docker.image.rootfs.";
        for (prefix, rest, compression) in [
            (oci, "v1.tar", LayerCompression::Tar),
            (oci, "v1.tar+gzip", LayerCompression::Gzip),
            (oci, "v1.tar+gzip+abc", LayerCompression::Gzip),
            (oci, "v1.tar+gzip+zzz", LayerCompression::Unsupported),
            (oci, "v1.tar+zstd", LayerCompression::Unsupported),
            (oci, "v1.tar+gzip+encrypted", LayerCompression::Encrypted),
            (oci, "v1.tar+encrypted", LayerCompression::Encrypted),
            (oci, "v2.tar", LayerCompression::Unknown),
            (
                oci,
                "nondistributable.v1.tar",
                LayerCompression::Unsupported,
            ),
            (oci, "nondistributable.v1.tar+gzip", LayerCompression::Gzip),
            (docker, "diff.tar", LayerCompression::Tar),
            (docker, "diff.tar.gzip", LayerCompression::Gzip),
            (
                docker,
                "diff.tar.gzip+encrypted",
                LayerCompression::Encrypted,
            ),
            (docker, "diff.tar.zstd", LayerCompression::Unsupported),
            (docker, "foreign.diff.tar.gzip", LayerCompression::Gzip),
            ("", "", LayerCompression::Unknown),
            ("", SOCI_PREFETCH, LayerCompression::Unknown),
            ("", "application/octet-stream", LayerCompression::Unknown),
        ] {
            assert_eq!(
                LayerCompression::of(&format!("{prefix}{rest}")),
                compression,
                "{prefix}{rest}"
            );
        }
    }
}
