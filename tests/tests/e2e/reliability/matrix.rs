//! The table of `docs/reliability.md`: every fault has its row, and every test that a row names is there.

use std::{collections::BTreeSet, fs};

use soci_testkit::process::workspace;

/// The groups of faults, with how many rows each has. Hostile input (J) has pages of its own.
const GROUPS: [(char, usize); 9] = [
    ('A', 11),
    ('B', 8),
    ('C', 15),
    ('D', 6),
    ('E', 13),
    ('F', 11),
    ('G', 6),
    ('H', 9),
    ('K', 6),
];

/// Returns the first and the last cell of each row.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(workspace().join("docs/reliability.md"));
    let text = text.expect("docs/reliability.md");
    let row = |line: &str| {
        let cells: Vec<&str> = line
            .strip_prefix('|')?
            .strip_suffix('|')?
            .split('|')
            .collect();
        let (first, last) = (cells.first()?.trim(), cells.last()?.trim());
        let is_row = first.len() >= 2
            && first.starts_with(|letter: char| letter.is_ascii_uppercase())
            && first[1..].bytes().all(|byte| byte.is_ascii_digit());
        is_row.then(|| (first.to_owned(), last.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn every_fault_has_its_row_once() {
    let found: Vec<String> = rows().into_iter().map(|(row, _)| row).collect();
    let expected: Vec<String> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number}")))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let mut named = BTreeSet::new();
    for (row, tests) in rows() {
        let paths: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!paths.is_empty(), "row {row} names no test");
        for path in paths {
            let (file, function) = path
                .split_once("::")
                .unwrap_or_else(|| panic!("row {row}: `{path}` is not FILE::FUNCTION"));
            let source = fs::read_to_string(workspace().join(file))
                .unwrap_or_else(|error| panic!("row {row}: {file}: {error}"));
            let there = source.contains(&format!("fn {function}("));
            assert!(there, "row {row}: {file} has no function {function}");
            named.insert(path.to_owned());
        }
    }
    assert!(named.len() >= 85, "{} tests", named.len());
}
