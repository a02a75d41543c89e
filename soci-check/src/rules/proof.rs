//! Rules of a ztoc beside its layer.

use soci_document::Severity;

use crate::rule::{NOTHING, Rule};

/// What to do about a ztoc that is wrong.
const REBUILD: &str =
    "build the ztoc again with `soci-index --force`, and push it with `soci-push`";

/// What follows from an entry that differs from the tar header.
const HEADER: &str = "readers compare the entry with the tar header, so that reading the file fails in the container";

/// A layer is not what its descriptor says.
pub(crate) const LAYER_DAMAGED: &Rule = &Rule {
    name: "layer-damaged",
    severity: Severity::Error,
    meaning: "a container cannot read the layer",
    cure: "push the image again",
};

/// A layer cannot be decompressed, or has no valid tar in it.
const LAYER_UNREADABLE: &Rule = &Rule {
    name: "layer-unreadable",
    severity: Severity::Error,
    meaning: "readers fail on the layer, and the rest of the ztoc was not compared",
    cure: "build the image again, or leave the layer out of the index",
};

/// The proof has found what has no rule, which is a bug.
const OTHER: &Rule = &error("ztoc-other", "the ztoc does not describe the layer");

const OWNER_TOO_LARGE: &Rule = &Rule {
    name: "ztoc-entry-owner-too-large",
    severity: Severity::Error,
    meaning: "the ztoc holds other numbers than the tar header, so that reading the file fails in the container",
    cure: "leave the layer out of the index, as `soci-index` does",
};

const WRONG_BYTES: &str = "files in the span have wrong bytes in the container";
const UNREADABLE_SPAN: &str = "reading files in the span fails in the container";

/// All rules, by which a finding is looked up.
pub(crate) const ALL: &[&Rule] = &[
    LAYER_DAMAGED,
    LAYER_UNREADABLE,
    &error(
        "ztoc-size",
        "reading the end of the layer fails in the container",
    ),
    &error(
        "ztoc-tar-size",
        "reading the end of the layer fails in the container",
    ),
    &note(
        "ztoc-tar-end",
        "readers are not affected: the difference is after the last file",
    ),
    &error(
        "ztoc-first-span",
        "reading the first files fails in the container",
    ),
    &error("ztoc-span-start", UNREADABLE_SPAN),
    &error("ztoc-span-offset", WRONG_BYTES),
    &error("ztoc-window", WRONG_BYTES),
    &note(
        "ztoc-window-unused",
        "readers are not affected: the span refers to none of these bytes",
    ),
    &error("ztoc-span-digest", UNREADABLE_SPAN),
    &error("ztoc-entry-name", HEADER),
    &error("ztoc-entry-type", "the container sees another kind of file"),
    &error(
        "ztoc-entry-offset",
        "the file has the bytes of another place in the tar",
    ),
    &error("ztoc-entry-size", HEADER),
    &error("ztoc-entry-link", HEADER),
    &error("ztoc-entry-mode", HEADER),
    &error("ztoc-entry-owner", HEADER),
    &error("ztoc-entry-group", HEADER),
    &warning(
        "ztoc-entry-owner-name",
        "readers use the number of the owner, and not the name",
    ),
    &warning(
        "ztoc-entry-group-name",
        "readers use the number of the group, and not the name",
    ),
    &error("ztoc-entry-time", HEADER),
    &error("ztoc-entry-device", HEADER),
    &error("ztoc-entry-xattr", HEADER),
    &note(
        "ztoc-entry-record",
        "readers do not use this record of the extended header",
    ),
    &error(
        "ztoc-entry-missing",
        "the container does not see the file, and reading the next one fails",
    ),
    &error(
        "ztoc-entry-unknown",
        "the container sees a file that the image does not have",
    ),
    OWNER_TOO_LARGE,
    &note("ztoc-entry-order", "readers sort the entries"),
    OTHER,
];

const fn error(name: &'static str, meaning: &'static str) -> Rule {
    Rule {
        name,
        severity: Severity::Error,
        meaning,
        cure: REBUILD,
    }
}

const fn warning(name: &'static str, meaning: &'static str) -> Rule {
    Rule {
        severity: Severity::Warning,
        ..error(name, meaning)
    }
}

const fn note(name: &'static str, meaning: &'static str) -> Rule {
    Rule {
        severity: Severity::Note,
        cure: NOTHING,
        ..error(name, meaning)
    }
}

/// Returns the rule with a name.
pub(crate) fn rule_named(name: &str) -> &'static Rule {
    let mut rules = ALL.iter();
    rules.find(|rule| rule.name == name).unwrap_or(&OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_of_the_proof_has_a_rule_here_of_the_same_severity() {
        for (name, severity) in soci_ztoc::proof::RULES {
            let rule = rule_named(name);
            assert_eq!(rule.name, *name);
            let expected = match severity {
                soci_ztoc::proof::Severity::Error => Severity::Error,
                soci_ztoc::proof::Severity::Warning => Severity::Warning,
                soci_ztoc::proof::Severity::Note => Severity::Note,
            };
            assert_eq!(rule.severity, expected, "{name}");
        }
    }
}
