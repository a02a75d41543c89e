//! What tells the layers of images apart.

use soci_oci::layer::LayerCompression;
use soci_oci::{Descriptor, Digest};
use soci_ztoc::Compression;

/// Identifies a layer of an image. Manifests that share a layer share its key. A layer with two
/// media types has two keys if one is gzip and the other is not, since its bytes are read in two
/// ways.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct LayerKey {
    pub(crate) digest: Digest,
    is_gzip: bool,
}

impl LayerKey {
    /// Returns the key of a layer.
    pub(crate) fn of(layer: &Descriptor) -> Self {
        Self {
            digest: layer.digest,
            is_gzip: compression(layer) == Compression::Gzip,
        }
    }
}

/// Returns the compression of a layer by its media type. A layer that `soci-plan` would skip, but
/// which the user has planned by hand, is read as a plain tar.
pub(crate) fn compression(layer: &Descriptor) -> Compression {
    match LayerCompression::of(&layer.media_type) {
        LayerCompression::Gzip => Compression::Gzip,
        LayerCompression::Tar
        | LayerCompression::Encrypted
        | LayerCompression::Unsupported
        | LayerCompression::Unknown => Compression::Uncompressed,
    }
}
