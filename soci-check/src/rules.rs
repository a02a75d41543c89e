//! All rules. `docs/check.md` lists them.

/// The chain of manifests from the tag to the SOCI index.
pub(crate) mod chain;
/// The image beside its SOCI index: the original that it was converted from.
pub(crate) mod original;
/// A ztoc beside its layer.
pub(crate) mod proof;
/// The manifest of a SOCI index.
pub(crate) mod soci_index;
/// Whether readers load the image lazily at all.
pub(crate) mod use_of_index;
/// Ztocs and prefetch lists, without their layers.
pub(crate) mod ztoc;

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use soci_document::Severity;

    use super::*;
    use crate::rule::Rule;

    /// The tables of the page: the subject of each, and its rules.
    const TABLES: &[(&str, &[&Rule])] = &[
        ("The chain of manifests", chain::ALL),
        ("The manifest of a SOCI index", soci_index::ALL),
        ("Ztocs and prefetch lists", ztoc::ALL),
        ("A ztoc beside its layer", proof::ALL),
        ("The converted image beside its original", original::ALL),
        ("Whether readers load the image lazily", use_of_index::ALL),
    ];

    /// The heading of the part of the page that this test writes.
    const HEADING: &str = "\n## Rules\n";

    /// Returns all rules, in the order of the page.
    pub(crate) fn all() -> Vec<&'static Rule> {
        TABLES
            .iter()
            .flat_map(|(_, rules)| rules.iter().copied())
            .collect()
    }

    /// Returns the part of the page with all rules.
    fn write_tables() -> String {
        let mut text = HEADING.to_owned();
        for (subject, rules) in TABLES {
            let head = "| rule | severity | what it means | what to do |\n|---|---|---|---|\n";
            let heading = format!("\n### {subject}\n\n{head}");
            text += &heading;
            for rule in *rules {
                let Rule {
                    name,
                    meaning,
                    cure,
                    ..
                } = rule;
                let severity = rule.severity.as_str();
                let row = format!("| `{name}` | {severity} | {meaning} | {cure} |\n");
                text += &row;
            }
        }
        text
    }

    /// Compares the page with the rules. To update it, run `UPDATE_RULES=1 cargo test -p
    /// soci-check`.
    #[test]
    fn the_page_of_rules_has_a_row_for_each() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/check.md");
        let page = std::fs::read_to_string(path).expect("docs/check.md");
        let (text, _) = page.split_once(HEADING).expect("the heading of the rules");
        let expected = format!("{text}{}", write_tables());
        if std::env::var_os("UPDATE_RULES").is_some() {
            std::fs::write(path, &expected).expect("docs/check.md can be written");
            return;
        }
        assert_eq!(
            page, expected,
            "docs/check.md is stale: UPDATE_RULES=1 cargo test -p soci-check"
        );
    }

    #[test]
    fn each_rule_has_a_name_of_its_own_in_kebab_case() {
        let names: BTreeSet<&str> = all().iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), all().len());
        for rule in all() {
            let is_kebab = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
            assert!(rule.name.bytes().all(is_kebab), "{}", rule.name);
            assert!(!rule.meaning.ends_with('.'), "{}", rule.name);
            // What is only worth knowing need not be mended.
            let has_cure = rule.cure != crate::rule::NOTHING;
            assert!(
                has_cure || rule.severity != Severity::Error,
                "{}",
                rule.name
            );
        }
    }
}
