//! Tells layers from manifests by their first bytes.

use soci_layout::PrunableStore;
use soci_oci::Descriptor;

/// How many bytes are looked at: the header of a tar has its magic number at byte 257.
const PREFIX: usize = 262;

/// What the first bytes of a blob are those of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// A JSON object, such as a manifest or a configuration.
    Json,
    /// A tar, which may be compressed by gzip or zstd.
    Layer,
    /// Anything else, or a blob that cannot be read.
    Unknown,
}

/// Looks at the first bytes of a blob.
pub(crate) fn sniff(store: &PrunableStore, blob: &Descriptor) -> Content {
    let mut prefix = [0; PREFIX];
    let mut length = 0;
    let Ok(mut blob) = store.layout().open_blob(blob) else {
        return Content::Unknown;
    };
    while length < PREFIX {
        match blob.read(&mut prefix[length..]) {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
    }
    classify(&prefix[..length])
}

fn classify(prefix: &[u8]) -> Content {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    if prefix.starts_with(b"{") {
        Content::Json
    } else if prefix.starts_with(GZIP)
        || prefix.starts_with(ZSTD)
        || prefix.get(257..262) == Some(b"ustar")
    {
        Content::Layer
    } else {
        Content::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_layers_and_manifests_by_their_first_bytes() {
        let mut tar = [0; PREFIX];
        tar[257..].copy_from_slice(b"ustar");
        for (prefix, content) in [
            (&b"{\"schemaVersion\":2}"[..], Content::Json),
            (&[0x1f, 0x8b, 8], Content::Layer),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0], Content::Layer),
            (&tar, Content::Layer),
            (b"", Content::Unknown),
            (b"text", Content::Unknown),
        ] {
            assert_eq!(classify(prefix), content, "{prefix:?}");
        }
    }
}
