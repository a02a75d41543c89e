//! Collects findings, of each rule only so many.

use std::collections::BTreeMap;

use soci_document::{Finding, Severity};

use crate::rule::{Found, Rule};

/// How many findings of one rule are listed.
const MAX_OF_RULE: u64 = 20;

/// The findings about one image.
#[derive(Default)]
pub(crate) struct Findings {
    listed: Vec<Finding>,
    /// How many findings there are of each rule.
    counts: BTreeMap<&'static str, u64>,
    errors: u64,
    omitted: u64,
}

impl Findings {
    /// Adds a finding. One that is listed already, because two manifests share what it is about, is
    /// not added again.
    pub(crate) fn add(&mut self, found: Found) {
        if self.listed.contains(&found.finding) {
            return;
        }
        let count = self.counts.entry(found.rule.name).or_default();
        *count += 1;
        if found.rule.severity == Severity::Error {
            self.errors += 1;
        }
        if *count > MAX_OF_RULE {
            self.omitted += 1;
        } else {
            self.listed.push(found.finding);
        }
    }

    /// Adds several findings.
    pub(crate) fn extend(&mut self, found: impl IntoIterator<Item = Found>) {
        found.into_iter().for_each(|found| self.add(found));
    }

    /// Returns how many findings are errors.
    pub(crate) const fn errors(&self) -> u64 {
        self.errors
    }

    /// Returns how many findings are not listed.
    pub(crate) const fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Returns the first finding of a rule.
    pub(crate) fn first_of(&self, rule: &Rule) -> Option<&Finding> {
        self.listed.iter().find(|finding| finding.rule == rule.name)
    }

    /// Returns the first error.
    pub(crate) fn first_error(&self) -> Option<&Finding> {
        let mut findings = self.listed.iter();
        findings.find(|finding| finding.severity == Severity::Error)
    }

    /// Adds the findings of another collection.
    pub(crate) fn merge(&mut self, other: Self) {
        self.errors += other.errors;
        self.omitted += other.omitted;
        for (rule, count) in other.counts {
            *self.counts.entry(rule).or_default() += count;
        }
        self.listed.extend(other.listed);
    }

    /// Returns the findings, errors first.
    pub(crate) fn into_sorted(mut self) -> Vec<Finding> {
        self.listed.sort_by_key(|finding| finding.severity);
        self.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ztoc;

    #[test]
    fn lists_only_the_first_findings_of_a_rule() {
        let mut findings = Findings::default();
        for number in 0..100 {
            findings.add(ztoc::MALFORMED.found(number));
            findings.add(ztoc::MALFORMED.found(number % 7));
        }
        findings.add(ztoc::VERSION.found("ztoc"));
        assert_eq!(findings.omitted(), 80);
        assert_eq!(findings.errors(), 100);
        let listed = findings.into_sorted();
        assert_eq!(listed.len(), 21);
        assert_eq!(listed[20].severity, Severity::Warning);
    }

    #[test]
    fn counts_the_findings_of_both_collections() {
        let collect = |numbers: std::ops::Range<u32>| {
            let mut findings = Findings::default();
            findings.extend(numbers.map(|number| ztoc::MALFORMED.found(number)));
            findings.add(ztoc::VERSION.found("ztoc"));
            findings
        };
        let (mut findings, other) = (collect(0..22), collect(100..123));
        findings.merge(other);
        assert_eq!((findings.errors(), findings.omitted()), (45, 5));
        findings.add(ztoc::MALFORMED.found("one more"));
        assert_eq!((findings.errors(), findings.omitted()), (46, 6));
        assert_eq!(findings.into_sorted().len(), 42);
    }
}
