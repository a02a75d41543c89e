//! Rules of a converted image beside the image that it was made from.

use soci_document::Severity;

use crate::rule::Rule;

/// A converted image differs from its original where it must not.
pub(crate) const DIFFERS: &Rule = &Rule {
    name: "converted-differs",
    severity: Severity::Error,
    meaning: "a container of the converted image is not a container of the image that was indexed",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The converted image lacks a manifest of the original.
pub(crate) const LOST: &Rule = &Rule {
    name: "converted-lacks-manifest",
    severity: Severity::Error,
    meaning: "a platform or an attestation of the image is lost",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The converted image was made from another image than the tag names now.
pub(crate) const STALE: &Rule = &Rule {
    name: "converted-stale",
    severity: Severity::Warning,
    meaning: "a deployment of the converted tag runs an earlier image",
    cure: "index the tag again with `soci-index`, and push it with `soci-push`",
};

#[cfg(test)]
pub(crate) const ALL: &[&Rule] = &[DIFFERS, LOST, STALE];
