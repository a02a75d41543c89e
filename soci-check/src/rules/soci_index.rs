//! Rules of the manifest of a SOCI index.

use soci_document::Severity;

use crate::rule::{NOTHING, Rule};

/// The configuration has another media type than those of the two versions.
pub(crate) const VERSION: &Rule = &Rule {
    name: "soci-index-version",
    severity: Severity::Error,
    meaning: "readers refuse an index of an unknown version, and pull the image as a whole",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The configuration is not the empty object.
pub(crate) const CONFIG: &Rule = &Rule {
    name: "soci-index-config",
    severity: Severity::Error,
    meaning: "registries and readers expect a configuration of the 2 bytes `{}`",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The blob of the configuration does not exist.
pub(crate) const CONFIG_MISSING: &Rule = &Rule {
    name: "soci-index-config-missing",
    severity: Severity::Error,
    meaning: "registries refuse to copy the SOCI index",
    cure: "push the image and its SOCI index again with `soci-push`",
};

/// The bytes are not those that a reader writes for the same content.
pub(crate) const BYTES: &Rule = &Rule {
    name: "soci-index-bytes",
    severity: Severity::Error,
    meaning: "readers write the SOCI index again and compare the digests, so that they refuse it",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The manifest has a field `artifactType`.
pub(crate) const ARTIFACT_TYPE: &Rule = &Rule {
    name: "soci-index-artifact-type",
    severity: Severity::Error,
    meaning: "readers drop the field and then find another digest, so that they refuse the SOCI index",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The index lists no ztoc.
pub(crate) const EMPTY: &Rule = &Rule {
    name: "soci-index-empty",
    severity: Severity::Error,
    meaning: "readers find nothing to load lazily",
    cure: "push the image without a SOCI index, or index it with a lower `--min-layer-size`",
};

/// A SOCI index of version 1 has no subject, or another image as its subject.
pub(crate) const SUBJECT: &Rule = &Rule {
    name: "soci-index-subject",
    severity: Severity::Error,
    meaning: "readers find a SOCI index of version 1 only by its subject",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A SOCI index of version 2 has a subject.
pub(crate) const UNEXPECTED_SUBJECT: &Rule = &Rule {
    name: "soci-index-version-2-subject",
    severity: Severity::Error,
    meaning: "an index of version 2 must not depend on the image, which depends on it",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The ztocs are not in the order of the layers, or prefetch lists stand before ztocs.
pub(crate) const ORDER: &Rule = &Rule {
    name: "soci-index-order",
    severity: Severity::Warning,
    meaning: "readers accept it, but the digest is not the one that other builders give to the same index",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The index does not name its builder.
pub(crate) const BUILD_TOOL: &Rule = &Rule {
    name: "build-tool-missing",
    severity: Severity::Note,
    meaning: "ztocs of this index are not reused, since what has built them is not known",
    cure: NOTHING,
};

/// An entry is neither a ztoc nor a prefetch list.
pub(crate) const UNKNOWN_ENTRY: &Rule = &Rule {
    name: "soci-index-unknown-entry",
    severity: Severity::Error,
    meaning: "readers ignore the entry, so that the layer that it names is not loaded lazily",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// An entry does not name its layer.
pub(crate) const LAYER_DIGEST: &Rule = &Rule {
    name: "ztoc-layer-digest",
    severity: Severity::Error,
    meaning: "readers cannot tell for which layer the entry is",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// An entry names a layer that the image does not have.
pub(crate) const OTHER_IMAGE: &Rule = &Rule {
    name: "ztoc-of-other-image",
    severity: Severity::Error,
    meaning: "readers ignore the entry, so that no layer is loaded through it",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// An entry names another media type than its layer has.
pub(crate) const LAYER_MEDIA_TYPE: &Rule = &Rule {
    name: "ztoc-layer-media-type",
    severity: Severity::Error,
    meaning: "readers may take the layer for one of another compression",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The annotation of the span size is missing, as in the indexes of earlier builders, or is no
/// number.
pub(crate) const SPAN_SIZE: &Rule = &Rule {
    name: "ztoc-span-size",
    severity: Severity::Warning,
    meaning: "builders that reuse ztocs do not know the span size",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The annotation that disables extended attributes is no boolean.
pub(crate) const DISABLE_XATTRS: &Rule = &Rule {
    name: "disable-xattrs-malformed",
    severity: Severity::Error,
    meaning: "readers refuse the value",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The index lists different ztocs for one layer.
pub(crate) const TWO_ZTOCS: &Rule = &Rule {
    name: "two-ztocs",
    severity: Severity::Warning,
    meaning: "readers use the last one",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

#[cfg(test)]
pub(crate) const ALL: &[&Rule] = &[
    VERSION,
    CONFIG,
    CONFIG_MISSING,
    BYTES,
    ARTIFACT_TYPE,
    EMPTY,
    SUBJECT,
    UNEXPECTED_SUBJECT,
    ORDER,
    BUILD_TOOL,
    UNKNOWN_ENTRY,
    LAYER_DIGEST,
    OTHER_IMAGE,
    LAYER_MEDIA_TYPE,
    SPAN_SIZE,
    DISABLE_XATTRS,
    TWO_ZTOCS,
];
