//! Rules of ztocs and prefetch lists, for which no layer is read.

use soci_document::Severity;

use crate::rule::Rule;

/// A ztoc or prefetch list does not exist.
pub(crate) const MISSING: &Rule = &Rule {
    name: "ztoc-missing",
    severity: Severity::Error,
    meaning: "one missing blob disables the whole SOCI index, so that the image is pulled as a whole",
    cure: "push the image and its SOCI index again with `soci-push`",
};

/// A ztoc or prefetch list has another size or digest than its descriptor says.
pub(crate) const DAMAGED: &Rule = &Rule {
    name: "ztoc-damaged",
    severity: Severity::Error,
    meaning: "one damaged blob disables the whole SOCI index, so that the image is pulled as a whole",
    cure: "push the image and its SOCI index again with `soci-push`",
};

/// A ztoc is larger than the format permits.
pub(crate) const TOO_LARGE: &Rule = &Rule {
    name: "ztoc-too-large",
    severity: Severity::Error,
    meaning: "readers cannot load it",
    cure: "index the image again with a larger `--span-size`",
};

/// A ztoc cannot be decoded.
pub(crate) const MALFORMED: &Rule = &Rule {
    name: "ztoc-malformed",
    severity: Severity::Error,
    meaning: "readers refuse the ztoc, so that the layer is pulled as a whole",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A ztoc is of another version than 0.9.
pub(crate) const VERSION: &Rule = &Rule {
    name: "ztoc-version",
    severity: Severity::Warning,
    meaning: "readers ignore the version, and may take the ztoc for something that it is not",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A ztoc is for another compression than its layer has.
pub(crate) const COMPRESSION: &Rule = &Rule {
    name: "ztoc-compression",
    severity: Severity::Error,
    meaning: "readers cannot read the layer through the ztoc",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A ztoc is for a layer of another size.
pub(crate) const LAYER_SIZE: &Rule = &Rule {
    name: "ztoc-layer-size",
    severity: Severity::Error,
    meaning: "reading the end of the layer fails in the running container",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A ztoc breaks a rule of the readers, which refuse the layer.
pub(crate) const REFUSED: &Rule = &Rule {
    name: "ztoc-refused",
    severity: Severity::Error,
    meaning: "readers refuse the ztoc, so that the layer is pulled as a whole",
    cure: "index the image with `soci-index`, which skips such layers",
};

/// A ztoc breaks a rule of the readers, which fail on a file.
pub(crate) const UNREADABLE_FILE: &Rule = &Rule {
    name: "ztoc-unreadable-file",
    severity: Severity::Error,
    meaning: "reading the file fails in the running container",
    cure: "index the image with `soci-index`, which skips such layers",
};

/// Extended attributes are disabled although files have some.
pub(crate) const XATTRS_DISABLED: &Rule = &Rule {
    name: "xattrs-disabled",
    severity: Severity::Error,
    meaning: "files in the running container lose their extended attributes, such as capabilities",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A ztoc has another span size than its annotation says.
pub(crate) const SPAN_SIZE: &Rule = &Rule {
    name: "ztoc-other-span-size",
    severity: Severity::Warning,
    meaning: "builders that reuse ztocs take it for another one",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A prefetch list is malformed.
pub(crate) const PREFETCH: &Rule = &Rule {
    name: "prefetch-malformed",
    severity: Severity::Warning,
    meaning: "readers ignore the list, so that no file is fetched before the container starts",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A prefetch list names spans that the ztoc does not have.
pub(crate) const PREFETCH_SPANS: &Rule = &Rule {
    name: "prefetch-spans",
    severity: Severity::Warning,
    meaning: "readers ignore the list, so that no file is fetched before the container starts",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

#[cfg(test)]
pub(crate) const ALL: &[&Rule] = &[
    MISSING,
    DAMAGED,
    TOO_LARGE,
    MALFORMED,
    VERSION,
    COMPRESSION,
    LAYER_SIZE,
    REFUSED,
    UNREADABLE_FILE,
    XATTRS_DISABLED,
    SPAN_SIZE,
    PREFETCH,
    PREFETCH_SPANS,
];
