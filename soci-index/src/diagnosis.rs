//! Finds out why a layer with the right digest has no ztoc.

use soci_document::UnindexableReason;
use soci_oci::Descriptor;
use soci_oci::layer::LayerCompression;
use soci_ztoc::{Compression, ContentFormat, GzipHeaderFault, LimitKind, ScanError};

use crate::outcome::SkippedLayer;

/// How many of the first bytes a message shows.
const SHOWN_BYTES: usize = 8;

/// What is known of a layer whose scan failed.
pub(crate) struct Diagnosis<'a> {
    pub(crate) layer: &'a Descriptor,
    /// How the layer was scanned.
    pub(crate) compression: Compression,
    /// The first [`ContentFormat::PREFIX_LENGTH`] bytes of the layer, or all if it has fewer.
    pub(crate) first_bytes: &'a [u8],
}

impl Diagnosis<'_> {
    /// Returns why the layer is skipped. Its digest must have been found right.
    ///
    /// # Errors
    ///
    /// Returns `error` itself if the layer is not its cause.
    pub(crate) fn explain(&self, error: ScanError) -> Result<SkippedLayer, ScanError> {
        let reason = match &error {
            ScanError::OutOfMemory | ScanError::SpanSize { .. } => return Err(error),
            ScanError::UnsupportedEntryType { .. } => UnindexableReason::UnindexableTar,
            ScanError::Limit { what, .. } if *what != LimitKind::UncompressedBytes => {
                UnindexableReason::ZtocTooLarge
            }
            ScanError::GzipHeader {
                fault: GzipHeaderFault::LongComment | GzipHeaderFault::LongName,
                ..
            } => UnindexableReason::UnreadableBySnapshotter,
            _ if self.first_bytes.is_empty() => UnindexableReason::Empty,
            _ if self.other_format().is_some() => UnindexableReason::Mislabelled,
            ScanError::TrailingData { .. }
            | ScanError::GzipHeader {
                fault: GzipHeaderFault::Zlib,
                ..
            } => UnindexableReason::TrailingData,
            _ => UnindexableReason::Unreadable,
        };
        let cause = self.describe_cause(reason, &error);
        Ok(SkippedLayer::new(reason, cause))
    }

    /// Returns the format that the first bytes show, if the media type names another one.
    fn other_format(&self) -> Option<ContentFormat> {
        let named = match LayerCompression::of(&self.layer.media_type) {
            LayerCompression::Gzip => ContentFormat::Gzip,
            LayerCompression::Tar => ContentFormat::Tar,
            // Planned by hand. The media type may well be right.
            _ => return None,
        };
        ContentFormat::detect(self.first_bytes).filter(|found| *found != named)
    }

    fn describe_cause(&self, reason: UnindexableReason, error: &ScanError) -> String {
        let size = self.layer.size;
        match (reason, self.other_format()) {
            (UnindexableReason::Empty, _) => "the layer has 0 bytes".to_owned(),
            (UnindexableReason::Mislabelled, Some(found)) => {
                let media_type = &self.layer.media_type;
                format!(
                    "the media type is `{media_type}`, but the first bytes are those of {found}"
                )
            }
            (UnindexableReason::TrailingData, _) => format!("{error}; the layer has {size} bytes"),
            (UnindexableReason::Unreadable, _) if self.lacks_gzip_signature() => {
                let shown = self.first_bytes.get(..SHOWN_BYTES);
                let shown = shown.unwrap_or(self.first_bytes);
                format!("the first bytes are not those of gzip: {shown:02x?}")
            }
            _ => error.to_string(),
        }
    }

    /// Returns whether a layer that was scanned as gzip does not start as gzip does.
    fn lacks_gzip_signature(&self) -> bool {
        self.compression == Compression::Gzip
            && !b"\x1f\x8b".starts_with(self.first_bytes)
            && !self.first_bytes.starts_with(b"\x1f\x8b")
    }
}

#[cfg(test)]
mod tests {
    use soci_oci::Digest;
    use soci_ztoc::TarFault;

    use super::*;

    const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    const TAR: &str = "application/vnd.docker.image.rootfs.diff.tar";
    const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

    fn corrupt_gzip() -> ScanError {
        ScanError::GzipData {
            offset: 0,
            reason: "incorrect header check".to_owned(),
        }
    }

    fn corrupt_tar() -> ScanError {
        ScanError::TarHeader {
            offset: 512,
            fault: TarFault::Number { field: "checksum" },
        }
    }

    /// Returns the reason and the cause for a layer.
    fn explain(media_type: &str, first_bytes: &[u8], error: ScanError) -> (String, String) {
        let compression = match LayerCompression::of(media_type) {
            LayerCompression::Gzip => Compression::Gzip,
            _ => Compression::Uncompressed,
        };
        let diagnosis = Diagnosis {
            layer: &Descriptor::new(media_type, Digest::of(b""), 1000),
            compression,
            first_bytes,
        };
        let skipped = diagnosis.explain(error).expect("a reason");
        (skipped.reason.to_string(), skipped.cause)
    }

    #[test]
    fn names_what_a_mislabelled_layer_is() {
        let zstd = b"\x28\xb5\x2f\xfd";
        for (media_type, bytes, error, format) in [
            (GZIP, &zstd[..], corrupt_gzip(), "zstd"),
            (GZIP, &[0; 1024], corrupt_gzip(), "a plain tar"),
            (GZIP, b"\xfd7zXZ\0", corrupt_gzip(), "xz"),
            (GZIP, b"BZh9", corrupt_gzip(), "bzip2"),
            (TAR, b"\x1f\x8b\x08", corrupt_tar(), "gzip"),
            (TAR, zstd, corrupt_tar(), "zstd"),
        ] {
            let (reason, cause) = explain(media_type, bytes, error);
            assert_eq!(reason, "mislabelled", "{format}");
            assert!(cause.contains(media_type), "{cause}");
            assert!(cause.ends_with(&format!("those of {format}")), "{cause}");
        }
    }

    #[test]
    fn a_layer_whose_media_type_is_right_is_not_mislabelled() {
        let tar = [0; 512];
        for (media_type, bytes, error) in [
            (GZIP, &b"\x1f\x8b\x08"[..], corrupt_gzip()),
            (GZIP, b"\x1f", corrupt_gzip()),
            (GZIP, b"no format that is known", corrupt_gzip()),
            (TAR, &tar, corrupt_tar()),
            (TAR, b"no format that is known", corrupt_tar()),
            // The plan was edited to index it.
            (ZSTD, b"\x28\xb5\x2f\xfd", corrupt_tar()),
        ] {
            let (reason, _) = explain(media_type, bytes, error);
            assert_eq!(reason, "unreadable", "{media_type} {bytes:02x?}");
        }
    }

    #[test]
    fn shows_the_first_bytes_of_a_format_that_is_not_known() {
        let (_, cause) = explain(GZIP, b"{\"errors\":[", corrupt_gzip());
        let expected = "the first bytes are not those of gzip: [7b, 22, 65, 72, 72, 6f, 72, 73]";
        assert_eq!(cause, expected);
        let (_, cause) = explain(GZIP, b"\x1f\x8b\x08\0", corrupt_gzip());
        assert_eq!(cause, corrupt_gzip().to_string());
    }

    #[test]
    fn gives_each_fault_of_a_gzip_stream_its_reason() {
        let gzip = b"\x1f\x8b\x08";
        let header = |member, fault| ScanError::GzipHeader {
            member,
            offset: 0,
            fault,
        };
        for (error, expected) in [
            (
                ScanError::TrailingData {
                    offset: 900,
                    first: 0,
                },
                "trailing-data",
            ),
            (header(1, GzipHeaderFault::Zlib), "trailing-data"),
            (
                header(0, GzipHeaderFault::LongName),
                "unreadable-by-snapshotter",
            ),
            (corrupt_gzip(), "unreadable"),
            (corrupt_tar(), "unreadable"),
        ] {
            let (reason, _) = explain(GZIP, gzip, error);
            assert_eq!(reason, expected);
        }
        assert_eq!(explain(GZIP, b"", corrupt_gzip()).0, "empty");
        let zlib = explain(GZIP, b"\x78\x9c", header(0, GzipHeaderFault::Zlib));
        assert_eq!(zlib.0, "mislabelled");
    }

    #[test]
    fn does_not_blame_the_layer_for_the_machine_or_the_plan() {
        let diagnosis = Diagnosis {
            layer: &Descriptor::new(GZIP, Digest::of(b""), 0),
            compression: Compression::Gzip,
            first_bytes: b"",
        };
        for error in [
            ScanError::OutOfMemory,
            ScanError::SpanSize {
                span_size: 0,
                minimum: 1,
            },
        ] {
            assert_eq!(diagnosis.explain(error.clone()), Err(error));
        }
    }
}
