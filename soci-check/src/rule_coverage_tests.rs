//! Checks that each rule is named in a test that breaks it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::proof::rule_named;
use crate::rules::tests::all;

/// Folders and files with tests that break rules, below the root of the workspace.
const TESTS: [&str; 3] = [
    "soci-check/tests/check",
    "tests/tests/e2e/check.rs",
    "crates/soci-ztoc/tests/ztoc/proof.rs",
];

/// Returns the files with tests that break rules: those above, and the files of this crate whose
/// names end with `_tests.rs`.
fn test_files() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_test = |path: &PathBuf| path.to_string_lossy().ends_with("_tests.rs");
    let mut files: Vec<PathBuf> = files_in(&own.join("src")).filter(is_test).collect();
    for path in TESTS {
        let path = own.join("..").join(path);
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).expect("a folder of the workspace");
    files.map(|file| file.expect("a readable folder").path())
}

/// A rule without a test may be found never, or always.
#[test]
fn each_rule_is_named_by_a_test() {
    let files = test_files().into_iter();
    let sources: Vec<String> = files
        .map(|path| fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}")))
        .collect();
    let rules = all();
    assert!(rules.len() > 100, "{} rules", rules.len());
    let is_untested = |name: &&str| {
        !sources
            .iter()
            .any(|text| text.contains(&format!("\"{name}\"")))
    };
    let untested: Vec<&str> = rules
        .iter()
        .map(|rule| rule.name)
        .filter(is_untested)
        .collect();
    assert_eq!(untested, [""; 0], "rules that no test names");
}

/// A finding of the proof without a rule is a bug, and an error all the same.
#[test]
fn what_has_no_rule_is_an_error() {
    assert_eq!(rule_named("no such rule").name, "ztoc-other");
}
