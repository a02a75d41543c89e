//! What a reason in the document means, and what a user can do about it.

use crate::{LayerReason, ManifestReason, UnindexableReason};

/// What a reason means. Both texts start in lower case and have no full stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// Why there is no ztoc or no SOCI index.
    pub cause: &'static str,
    /// What makes the layer or manifest indexable, or `nothing to do` if it is as it should be.
    pub cure: &'static str,
}

/// The cure if nothing is wrong.
const NOTHING: &str = "nothing to do";

impl Explanation {
    /// Returns whether the user can do something about the reason.
    pub fn is_curable(&self) -> bool {
        self.cure != NOTHING
    }
}

/// How to build an image whose layers are all gzip.
const BUILD_AS_GZIP: &str = "rebuild with `docker buildx build --output type=image,compression=gzip,force-compression=true,oci-mediatypes=true`";

impl ManifestReason {
    /// Returns the explanation of the reason.
    pub const fn explain(self) -> Explanation {
        let (cause, cure) = match self {
            Self::AlreadyConverted => (
                "the manifest has a SOCI index of version 2 from an earlier conversion, or is itself a SOCI index",
                NOTHING,
            ),
            Self::Attestation => (
                "the manifest is an attestation of another one, such as its provenance or its SBOM",
                NOTHING,
            ),
            Self::Missing => (
                "the image's index lists the manifest, but the source does not hold it",
                "copy all platforms of the image, such as with `skopeo copy --all`",
            ),
            Self::NotAnImage => (
                "the manifest is an artifact, such as a Helm chart or a signature, or of an unknown kind",
                NOTHING,
            ),
            Self::Platform => (
                "the platform was not asked for",
                "name it with `--platform`, or use `--all-platforms`",
            ),
        };
        Explanation { cause, cure }
    }
}

impl LayerReason {
    /// Returns the explanation of the reason.
    pub const fn explain(self) -> Explanation {
        let (cause, cure) = match self {
            Self::AlreadyIndexed => (
                "a SOCI index in the registry already has a ztoc of the layer",
                NOTHING,
            ),
            Self::BelowMinLayerSize => (
                "the layer is smaller than the minimum layer size",
                "lower `--min-layer-size`",
            ),
            Self::Encrypted => (
                "the layer is encrypted, so that its files cannot be listed",
                "index the image before it is encrypted",
            ),
            Self::Excluded => ("the plan was edited to exclude the layer", NOTHING),
            Self::Foreign => (
                "the layer is foreign, and the source does not hold it",
                "push the image with its foreign layers",
            ),
            Self::UnknownMediaType => (
                "the media type is unknown, or is not that of a layer",
                NOTHING,
            ),
            Self::UnsupportedCompression => (
                "the layer has a compression that a ztoc cannot describe, such as zstd",
                BUILD_AS_GZIP,
            ),
        };
        Explanation { cause, cure }
    }
}

impl UnindexableReason {
    /// Returns the explanation of the reason.
    pub const fn explain(self) -> Explanation {
        let (cause, cure) = match self {
            Self::Empty => (
                "the layer has 0 bytes, which are no gzip stream",
                "rebuild the image without the layer",
            ),
            Self::Mislabelled => (
                "the media type names another format than the layer has, as after `podman load` and `podman push`",
                BUILD_AS_GZIP,
            ),
            Self::TrailingData => (
                "other bytes follow the gzip stream, such as the zeros that `bsdtar -z` appends when it writes to a pipe",
                "compress with another program, such as `gzip`, and rebuild the image",
            ),
            Self::UnindexableTar => (
                "the tar has an entry that a ztoc cannot hold, such as the global header of `git archive`",
                "pack the files with another program, and rebuild the image",
            ),
            Self::Unreadable => (
                "the gzip stream or the tar is corrupt, cut off, or beyond a limit, although the digest is right",
                "rebuild the image, since the layer was broken before it was pushed",
            ),
            Self::UnreadableBySnapshotter => (
                "a container would fail to read the layer through its ztoc, or would read wrong content, as with a sparse file",
                "pack the files anew, without sparse files (`tar` without `--sparse`)",
            ),
            Self::ZtocTooLarge => (
                "the ztoc of the layer would be larger than `--max-ztoc-size` of `soci-index`, or its table of files would need more memory than a quarter of that",
                "put fewer files into one layer, or raise `--max-ztoc-size`",
            ),
        };
        Explanation { cause, cure }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    /// Returns the rows of the page for all reasons of a type: the reason, its cause and its cure.
    fn rows<R: DeserializeOwned>(name: &str, explain: fn(R) -> Explanation) -> Vec<String> {
        let schema: Value = serde_json::from_str(&crate::json_schema()).expect("JSON");
        let reasons = schema["$defs"][name]["oneOf"].as_array().expect("reasons");
        let reasons = reasons.iter().map(|reason| reason["const"].clone());
        let row = |reason: Value| {
            let text = reason.as_str().expect("a reason").to_owned();
            let reason = serde_json::from_value(reason).expect("a reason");
            let Explanation { cause, cure } = explain(reason);
            format!("| `{text}` | {cause} | {cure} |")
        };
        reasons.map(row).collect()
    }

    #[test]
    fn tells_what_the_user_can_cure() {
        assert!(ManifestReason::Platform.explain().is_curable());
        assert!(UnindexableReason::Mislabelled.explain().is_curable());
        assert!(!ManifestReason::Attestation.explain().is_curable());
    }

    #[test]
    fn the_page_of_reasons_has_the_cause_and_cure_of_each() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reasons.md");
        let page = std::fs::read_to_string(path).expect("docs/reasons.md");
        let rows = [
            rows("ManifestReason", ManifestReason::explain),
            rows("LayerReason", LayerReason::explain),
            rows("UnindexableReason", UnindexableReason::explain),
        ];
        let rows = rows.concat();
        let missing: Vec<&String> = rows.iter().filter(|row| !page.contains(*row)).collect();
        assert!(missing.is_empty(), "docs/reasons.md lacks {missing:#?}");
        let found = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(found, rows.len(), "docs/reasons.md has a row too many");
    }
}
