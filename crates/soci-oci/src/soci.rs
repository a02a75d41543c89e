//! SOCI indexes, prefetch lists, and the descriptors of ztocs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::media_type::{OCI_MANIFEST, OCTET_STREAM, SOCI_INDEX_V1, SOCI_INDEX_V2, SOCI_PREFETCH};
use crate::{Descriptor, Digest, Manifest};

/// Annotation of a ztoc or a prefetch list: the digest of its layer.
pub const LAYER_DIGEST: &str = "com.amazon.soci.image-layer-digest";
/// Annotation of a ztoc: the media type of its layer.
pub const LAYER_MEDIA_TYPE: &str = "com.amazon.soci.image-layer-mediaType";
/// Annotation of a ztoc: the span size in bytes, as a decimal number.
pub const SPAN_SIZE: &str = "com.amazon.soci.span-size";
/// Annotation of a ztoc: `true` if no file of the layer has extended attributes.
pub const DISABLE_XATTRS: &str = "com.amazon.soci.disable-xattrs";
/// Annotation of a SOCI index: the name and version of the tool that built it.
pub const BUILD_TOOL_IDENTIFIER: &str = "com.amazon.soci.build-tool-identifier";
/// Annotation of a converted image manifest: the digest of its SOCI index.
pub const INDEX_DIGEST: &str = "com.amazon.soci.index-digest";
/// Annotation of the entry of a SOCI index in an image index: the digest of its image manifest.
pub const IMAGE_MANIFEST_DIGEST: &str = "com.amazon.soci.image-manifest-digest";

/// The suffix that `soci-push` appends to the image's tag for the converted image, unless the user
/// names another tag.
pub const CONVERTED_TAG_SUFFIX: &str = "-soci";

/// The content of the configuration of every SOCI index.
pub const CONFIG: &[u8] = b"{}";

/// Returns the descriptor of the ztoc of `layer`. The ztoc has `size` bytes, and its spans cover
/// `span_size` bytes each of the uncompressed layer.
pub fn ztoc_descriptor(layer: &Descriptor, ztoc: Digest, size: u64, span_size: u64) -> Descriptor {
    let mut descriptor = Descriptor::new(OCTET_STREAM, ztoc, size);
    descriptor.annotations = BTreeMap::from([
        (LAYER_DIGEST.to_owned(), layer.digest.to_string()),
        (LAYER_MEDIA_TYPE.to_owned(), layer.media_type.clone()),
        (SPAN_SIZE.to_owned(), span_size.to_string()),
    ]);
    descriptor
}

/// Returns the version 1 SOCI index over `blobs`: the ztocs in the order of the image's layers,
/// then the prefetch lists. It refers to the image manifest by its `subject`, and readers find it
/// by the referrers API.
pub fn soci_index_v1(
    blobs: &[Descriptor],
    subject: &Descriptor,
    build_tool_identifier: &str,
) -> Manifest {
    Manifest {
        subject: Some(subject.reduced()),
        ..soci_index(SOCI_INDEX_V1, blobs, build_tool_identifier)
    }
}

/// Returns the version 2 SOCI index over `blobs`: the ztocs in the order of the image's layers,
/// then the prefetch lists. The manifest of the converted image names it in an annotation.
pub fn soci_index_v2(blobs: &[Descriptor], build_tool_identifier: &str) -> Manifest {
    soci_index(SOCI_INDEX_V2, blobs, build_tool_identifier)
}

fn soci_index(config_type: &str, blobs: &[Descriptor], build_tool_identifier: &str) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.to_owned(),
        artifact_type: None,
        config: Some(Descriptor::of(config_type, CONFIG)),
        layers: Some(blobs.to_vec()),
        subject: None,
        annotations: BTreeMap::from([(
            BUILD_TOOL_IDENTIFIER.to_owned(),
            build_tool_identifier.to_owned(),
        )]),
    }
}

/// An inclusive range of spans to fetch before the container starts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct SpanRange {
    /// The first span.
    pub start_span: u32,
    /// The last span, not before the first.
    pub end_span: u32,
}

/// The content of a prefetch list.
#[derive(Serialize)]
struct PrefetchList<'a> {
    version: &'static str,
    prefetch_spans: &'a [SpanRange],
}

/// Builds the prefetch list of `layer`, and returns its descriptor and its bytes. `spans` may be in
/// any order; overlapping and adjacent ranges are merged.
pub fn prefetch_list(layer: Digest, mut spans: Vec<SpanRange>) -> (Descriptor, Vec<u8>) {
    spans.sort_unstable();
    let mut merged: Vec<SpanRange> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start_span <= last.end_span.saturating_add(1) => {
                last.end_span = last.end_span.max(span.end_span);
            }
            _ => merged.push(span),
        }
    }
    let bytes = crate::go_json::to_vec(&PrefetchList {
        version: "1.0",
        prefetch_spans: &merged,
    });
    let mut descriptor = Descriptor::of(SOCI_PREFETCH, &bytes);
    descriptor.annotations = BTreeMap::from([(LAYER_DIGEST.to_owned(), layer.to_string())]);
    (descriptor, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefetch_list_merges_overlapping_and_adjacent_ranges() {
        let range = |start_span, end_span| SpanRange {
            start_span,
            end_span,
        };
        let (_, bytes) = prefetch_list(
            Digest::of(b""),
            vec![range(5, 6), range(0, 1), range(2, 2), range(9, 9)],
        );
        assert_eq!(
            String::from_utf8(bytes).expect("UTF-8"),
            r#"{"version":"1.0","prefetch_spans":[{"start_span":0,"end_span":2},{"start_span":5,"end_span":6},{"start_span":9,"end_span":9}]}"#
        );
    }

    #[test]
    fn an_index_has_the_bytes_that_go_writes() {
        let layer = Descriptor::new(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            Digest::of(b"layer"),
            5,
        );
        let ztoc = ztoc_descriptor(&layer, Digest::of(b"ztoc"), 4, 4_194_304);
        let index = soci_index_v2(&[ztoc], "AWS SOCI CLI v0.2").to_bytes();
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.amazon.soci.index.v2+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}},"layers":[{{"mediaType":"application/octet-stream","digest":"{}","size":4,"annotations":{{"com.amazon.soci.image-layer-digest":"{}","com.amazon.soci.image-layer-mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","com.amazon.soci.span-size":"4194304"}}}}],"annotations":{{"com.amazon.soci.build-tool-identifier":"AWS SOCI CLI v0.2"}}}}"#,
            Digest::of(b"ztoc"),
            layer.digest
        );
        assert_eq!(String::from_utf8(index).expect("UTF-8"), expected);
    }
}
