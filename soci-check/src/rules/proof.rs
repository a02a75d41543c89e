//! Rules of a ztoc beside its layer.

use soci_document::Severity;

use crate::rule::Rule;

/// A layer is not what its descriptor says.
pub(crate) const LAYER_DAMAGED: &Rule = &Rule {
    name: "layer-damaged",
    severity: Severity::Error,
    meaning: "a container cannot read the layer",
    cure: "push the image again",
};

#[cfg(test)]
pub(crate) const ALL: &[&Rule] = &[LAYER_DAMAGED];
