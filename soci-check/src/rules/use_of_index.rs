//! Rules that decide whether readers load the image lazily at all.

use soci_document::Severity;

use crate::rule::{NOTHING, Rule};

/// The image has no SOCI index.
pub(crate) const NO_INDEX: &Rule = &Rule {
    name: "no-soci-index",
    severity: Severity::Warning,
    meaning: "the image is pulled as a whole before the container starts",
    cure: "index the image: `soci-pull IMAGE | soci-plan | soci-index | soci-push`",
};

/// The tag is not converted, but the tag with `-soci` is.
pub(crate) const NOT_CONVERTED: &Rule = &Rule {
    name: "not-converted",
    severity: Severity::Warning,
    meaning: "the tag itself has no SOCI index of version 2",
    cure: "deploy the converted tag",
};

/// The image has only a SOCI index of version 1.
pub(crate) const ONLY_VERSION_1: &Rule = &Rule {
    name: "only-version-1",
    severity: Severity::Warning,
    meaning: "Fargate uses version 1 only in accounts that used SOCI before version 2, and the snapshotter only if it is configured to",
    cure: "index the image for version 2 as well, and deploy the tag with `-soci`",
};

/// The registry is not a private one of Amazon ECR.
pub(crate) const NOT_ECR: &Rule = &Rule {
    name: "not-ecr",
    severity: Severity::Warning,
    meaning: "Fargate loads images lazily only from private repositories of Amazon ECR",
    cure: "push the image to a private repository of Amazon ECR: `soci-push --to REF`",
};

/// The image is in a layout or archive.
pub(crate) const NOT_IN_REGISTRY: &Rule = &Rule {
    name: "not-in-registry",
    severity: Severity::Note,
    meaning: "the answer holds once the image is in a private repository of Amazon ECR",
    cure: "push the image to a private repository of Amazon ECR: `soci-push --to REF`",
};

/// The image is for no platform of Fargate.
pub(crate) const NOT_ON_FARGATE: &Rule = &Rule {
    name: "not-on-fargate",
    severity: Severity::Warning,
    meaning: "Fargate loads only images for linux/amd64 and linux/arm64 lazily",
    cure: "build the image for linux/amd64 or linux/arm64 as well",
};

/// A layer is compressed with zstd.
pub(crate) const ZSTD_LAYER: &Rule = &Rule {
    name: "zstd-layer",
    severity: Severity::Warning,
    meaning: "no ztoc can describe the layer, and the documentation of Fargate excludes images with such layers",
    cure: "rebuild with `docker buildx build --output type=image,compression=gzip,force-compression=true,oci-mediatypes=true`",
};

/// A layer is encrypted, or of a media type that no ztoc can describe.
pub(crate) const OTHER_LAYER: &Rule = &Rule {
    name: "unindexable-layer",
    severity: Severity::Warning,
    meaning: "the layer is pulled as a whole before the container starts",
    cure: NOTHING,
};

/// Some layers have no ztoc.
pub(crate) const UNCOVERED: &Rule = &Rule {
    name: "layers-not-covered",
    severity: Severity::Note,
    meaning: "they are pulled as a whole before the container starts",
    cure: "lower `--min-layer-size` if they are large; `soci-plan --explain` shows why each is skipped",
};

/// The image is small.
pub(crate) const SMALL_IMAGE: &Rule = &Rule {
    name: "small-image",
    severity: Severity::Note,
    meaning: "below 250 MiB, lazy loading seldom makes the start faster",
    cure: NOTHING,
};

/// Indexes are nested too deep, or list too many manifests.
pub(crate) const NESTED: &Rule = &Rule {
    name: "too-many-manifests",
    severity: Severity::Error,
    meaning: "the rest was not checked",
    cure: "push an image with fewer manifests",
};

/// The tag names no image.
pub(crate) const NOT_AN_IMAGE: &Rule = &Rule {
    name: "not-an-image",
    severity: Severity::Note,
    meaning: "there is nothing to load lazily",
    cure: NOTHING,
};

#[cfg(test)]
pub(crate) const ALL: &[&Rule] = &[
    NO_INDEX,
    NOT_CONVERTED,
    ONLY_VERSION_1,
    NOT_ECR,
    NOT_IN_REGISTRY,
    NOT_ON_FARGATE,
    ZSTD_LAYER,
    OTHER_LAYER,
    UNCOVERED,
    SMALL_IMAGE,
    NESTED,
    NOT_AN_IMAGE,
];
