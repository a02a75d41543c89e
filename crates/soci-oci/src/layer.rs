//! What a layer's media type says of its bytes.

use crate::media_type::SOCI_PREFETCH;

/// How a layer's bytes are packed, by its media type alone: nothing here looks at the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LayerCompression {
    /// A tar in gzip members.
    Gzip,
    /// A bare tar.
    Tar,
    /// A tar compressed in a way that no ztoc can describe, such as zstd.
    Unsupported,
    /// Encrypted: its bytes are not what the rest of the type says.
    Encrypted,
    /// Not a layer, or a layer of a version that is not known.
    Unknown,
}

impl LayerCompression {
    /// Reads a media type as SOCI's builder does: suffixes are cut at `+` and sorted, and the last one counts.
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

/// Says whether a layer need not be in the registry that serves its image.
pub fn is_foreign(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
}

/// Says whether `media_type` is a layer at all.
pub fn is_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.")
        || is_docker_layer(media_type.split('+').next().unwrap_or_default())
}

/// Says whether `base`, a media type without suffixes, is one of Docker's layer types.
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
    fn reads_media_types_as_the_ecosystem_does() {
        let oci = "application/vnd.oci.image.layer.";
        let docker = "application/vnd.docker.image.rootfs.";
        for (prefix, rest, packing) in [
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
                packing,
                "{prefix}{rest}"
            );
        }
    }
}
