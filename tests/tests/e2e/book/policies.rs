//! The JSON of the pages: it parses, and the IAM policies name the actions that the tools need.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use soci_testkit::workspace;

use super::block::{Language, blocks_of};

/// Returns the JSON values of a page.
fn json_of(page: &str) -> Vec<Value> {
    let blocks = blocks_of(&super::read(page)).into_iter();
    let blocks = blocks.filter(|block| block.language == Language::Json);
    let parse = |text: &str| serde_json::from_str(text);
    let values = blocks.map(|block| {
        parse(&block.text).unwrap_or_else(|error| panic!("{page}, line {}: {error}", block.line))
    });
    values.collect()
}

/// Returns the actions of a statement.
fn actions(statement: &Value) -> BTreeSet<String> {
    let actions = &statement["Action"];
    let list = actions.as_array().cloned();
    let list = list.unwrap_or_else(|| vec![actions.clone()]);
    let list = list.iter().filter_map(Value::as_str);
    list.map(str::to_owned).collect()
}

/// Returns the IAM actions that the tools name in errors, and the one for a token.
fn actions_of_the_tools() -> BTreeSet<String> {
    let source = workspace::root().join("crates/soci-registry/src/ecr/action.rs");
    let source = fs::read_to_string(source).expect("the actions of ECR");
    let (code, _) = source.split_once("#[cfg(test)]").expect("tests");
    let (_, code) = code.split_once("fn required_action").expect("the table");
    let mut found = BTreeSet::from(["ecr:GetAuthorizationToken".to_owned()]);
    for (at, _) in code.match_indices("ecr:") {
        let end = |rest: &str| rest.find(|other: char| !other.is_alphanumeric() && other != ':');
        let rest = &code[at..];
        found.insert(rest[..end(rest).unwrap_or(rest.len())].to_owned());
    }
    found
}

#[test]
fn the_json_of_every_page_parses() {
    let pages = super::pages();
    let count: usize = pages.iter().map(|page| json_of(page).len()).sum();
    assert!(count >= 5, "{count} blocks");
}

/// The policies permit what the tools need, and nothing else.
#[test]
fn the_policies_have_the_actions_of_the_tools() {
    let page = json_of("docs/ecr.md");
    let [own, other, lifecycle] = &page[..] else {
        panic!("{page:?}");
    };
    let needed = actions_of_the_tools();
    assert_eq!(needed.len(), 8, "{needed:?}");
    let statements = own["Statement"].as_array().expect("statements");
    let all: BTreeSet<String> = statements.iter().flat_map(actions).collect();
    assert_eq!(all, needed);
    let pull = statements
        .iter()
        .find(|statement| statement["Sid"] == "Pull");
    let reads = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
    assert_eq!(
        actions(pull.expect("a statement")),
        BTreeSet::from(reads.map(str::to_owned))
    );
    // A token is not an action on a repository.
    let mut of_repository = actions(&other["Statement"][0]);
    of_repository.insert("ecr:GetAuthorizationToken".to_owned());
    assert_eq!(of_repository, needed);
    let selection = &lifecycle["rules"][0]["selection"];
    assert_eq!(selection["tagPatternList"][0], "*-soci");
}
