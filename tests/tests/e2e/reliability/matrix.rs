//! Checks the table of `docs/reliability.md` against the tests.
//!
//! Every fault has one row, every test that a row names exists, and every test whose documentation
//! begins with rows, such as "E8, G4: a push …", is named in these rows and in no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use soci_testkit::{
    store::files_below,
    workspace::{self, TOOLS},
};

/// The groups of faults, with how many rows each has.
const GROUPS: [(char, usize); 11] = [
    ('A', 12),
    ('B', 8),
    ('C', 17),
    ('D', 6),
    ('E', 17),
    ('F', 16),
    ('G', 6),
    ('H', 11),
    ('J', 16),
    ('K', 6),
    ('L', 4),
];

/// Returns whether a text is the name of a row, such as `E8`.
fn is_row(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|letter: char| letter.is_ascii_uppercase())
        && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the first cell of each row, and the tests that the last cell names as `FILE::FUNCTION`.
fn rows() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(workspace::root().join("docs/reliability.md"));
    let text = text.expect("docs/reliability.md");
    let row = |line: &str| {
        let line = line.strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<&str> = line.split('|').collect();
        let (first, last) = (cells.first()?.trim(), cells.last()?);
        let tests = last.split('`').skip(1).step_by(2).map(str::to_owned);
        is_row(first).then(|| (first.to_owned(), tests.collect()))
    };
    text.lines().filter_map(row).collect()
}

/// Returns the tests of all crates as `FILE::FUNCTION`, with the rows at the beginning of their
/// documentation.
fn tests() -> BTreeMap<String, Vec<String>> {
    let root = workspace::root();
    let mut tests = BTreeMap::new();
    let folders = ["crates", "tests"].into_iter().chain(TOOLS);
    for file in folders.flat_map(|folder| files_below(&root.join(folder))) {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(&file).expect("a source file");
        let path = file.strip_prefix(&root).expect("a file of the workspace");
        for (function, rows) in tests_in(&source) {
            tests.insert(format!("{}::{function}", path.display()), rows);
        }
    }
    tests
}

/// Returns the tests of a source file, with the rows at the beginning of their documentation.
fn tests_in(source: &str) -> Vec<(&str, Vec<String>)> {
    let mut tests = Vec::new();
    let (mut rows, mut documented, mut is_test) = (Vec::new(), false, false);
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            if !documented {
                rows = rows_of(text);
            }
            documented = true;
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]";
        } else {
            let name = line
                .strip_prefix("fn ")
                .and_then(|rest| rest.split('(').next());
            if let (true, Some(name)) = (is_test, name) {
                tests.push((name, rows.clone()));
            }
            (rows, documented, is_test) = (Vec::new(), false, false);
        }
    }
    tests
}

/// Returns the rows that a sentence begins with: `E8` and `G4` for `E8, G4: a push …`.
fn rows_of(sentence: &str) -> Vec<String> {
    let Some((rows, _)) = sentence.split_once(": ") else {
        return Vec::new();
    };
    let rows: Vec<&str> = rows.split(", ").collect();
    if rows.iter().all(|row| is_row(row)) {
        rows.into_iter().map(str::to_owned).collect()
    } else {
        Vec::new()
    }
}

#[test]
fn the_table_has_one_row_for_each_fault() {
    let found: Vec<String> = rows().into_iter().map(|(row, _)| row).collect();
    let expected: Vec<String> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number}")))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_test_that_the_table_names_exists() {
    let tests = tests();
    let mut named = BTreeSet::new();
    for (row, paths) in rows() {
        assert!(!paths.is_empty(), "row {row} names no test");
        for path in paths {
            let labels = tests.get(&path);
            let labels = labels.unwrap_or_else(|| panic!("row {row} names no test by `{path}`"));
            let fits = labels.is_empty() || labels.contains(&row);
            assert!(
                fits,
                "row {row} names `{path}`, whose documentation says {labels:?}"
            );
            named.insert(path);
        }
    }
    assert!(named.len() >= 85, "{} tests", named.len());
}

#[test]
fn the_table_names_every_test_with_a_row() {
    let table: BTreeMap<String, Vec<String>> = rows().into_iter().collect();
    for (path, rows) in tests() {
        for row in rows {
            let named = table.get(&row).is_some_and(|paths| paths.contains(&path));
            assert!(named, "row {row} of docs/reliability.md lacks `{path}`");
        }
    }
}
