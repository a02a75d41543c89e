//! The commands for `jq` in the README, the pages and the help texts, over documents of the tools.

use std::fs;

use serde_json::Value;
use soci_testkit::{
    image::{self, Image, Layer},
    process::Sandbox,
    workspace::{self, TOOLS},
};

use crate::stages::{Stages, layer};

/// A command for `jq`.
#[derive(Debug)]
struct Recipe {
    options: Vec<String>,
    program: String,
}

/// Returns the commands for `jq` in a text whose programs are quoted.
fn find_recipes(text: &str) -> Vec<Recipe> {
    let mut recipes = Vec::new();
    for (start, _) in text.match_indices("jq ") {
        let mut rest = &text[start + "jq ".len()..];
        let mut options = Vec::new();
        while let Some((option, after)) = rest.split_once(' ').filter(|_| rest.starts_with('-')) {
            options.push(option.to_owned());
            rest = after;
        }
        let program = rest
            .strip_prefix('\'')
            .and_then(|rest| rest.split_once('\''));
        if let Some((program, _)) = program {
            recipes.push(Recipe {
                options,
                program: program.to_owned(),
            });
        }
    }
    recipes
}

/// Returns the help text of each tool, and each page.
fn texts(sandbox: &Sandbox) -> Vec<String> {
    let root = workspace::root();
    let mut texts = vec![fs::read_to_string(root.join("README.md")).expect("README.md")];
    for page in fs::read_dir(root.join("docs")).expect("docs") {
        let page = page.expect("a page").path();
        if page.extension().is_some_and(|extension| extension == "md") {
            texts.push(fs::read_to_string(page).expect("a page"));
        }
    }
    for tool in TOOLS {
        let help = sandbox.tool(tool).arg("--help").run().succeeds();
        texts.push(help.text().to_owned());
    }
    texts
}

fn write_image(sandbox: &Sandbox, name: &str, images: &[Image]) -> String {
    image::write_layout(&sandbox.path().join(name), images);
    format!("oci:{name}")
}

/// Returns the documents of a run over images of every kind: one platform, several, a layer that is
/// skipped, nothing to index, unchanged, failed.
fn all_documents(sandbox: &Sandbox) -> String {
    let amd64 = || Image::new("linux/amd64");
    let simple = [amd64().layer(layer(1, 3000))];
    let several = [
        amd64().layer(layer(2, 3000)).attested(),
        Image::new("linux/arm64").layer(layer(3, 3000)),
    ];
    let zstd = Layer::zstd(&[("app", b"content")]);
    let skipped = [amd64().layer(zstd.clone()).layer(layer(4, 3000))];
    let references = [
        write_image(sandbox, "simple", &simple),
        "oci:missing".to_owned(),
        write_image(sandbox, "several", &several),
        write_image(sandbox, "skipped", &skipped),
        write_image(sandbox, "empty", &[amd64().layer(zstd)]),
    ];
    let first = Stages::of(sandbox, &references).run();
    let again = Stages::of(sandbox, &["oci:simple:latest-soci"]).run();
    let documents = [first.stdout(), again.stdout()].concat();
    let documents = String::from_utf8(documents).expect("text");
    let parsed: Vec<Value> = documents
        .lines()
        .map(|line| serde_json::from_str(line).expect("a document"))
        .collect();
    assert_eq!(parsed.len(), 6, "{documents}");
    assert_eq!(parsed[1]["error"]["exit"], 80, "{documents}");
    assert_eq!(parsed[5]["unchanged"], true, "{documents}");
    documents
}

/// No recipe fails on a document, and none prints `null` for a field that is absent.
#[test]
fn no_recipe_prints_null() {
    let sandbox = Sandbox::new();
    let documents = all_documents(&sandbox);
    let recipes: Vec<Recipe> = texts(&sandbox)
        .iter()
        .flat_map(|text| find_recipes(text))
        .collect();
    assert!(recipes.len() >= 7, "{recipes:?}");
    for Recipe { options, program } in recipes {
        let jq = sandbox.program("jq").args(&options).arg(&program);
        let finished = jq.stdin(documents.clone()).run().succeeds();
        let is_raw = options.iter().any(|option| option.contains('r'));
        for line in finished.text().lines() {
            let is_null = line == "null" || is_raw && line.contains("null");
            assert!(!is_null, "jq {program}: {line}");
        }
    }
}

/// A platform is at the same place for a single manifest and for each manifest of an index.
#[test]
fn every_manifest_has_its_platform_at_one_place() {
    let sandbox = Sandbox::new();
    let documents = all_documents(&sandbox);
    let program = r#"select(.image == "oci:simple" or .image == "oci:several")
        | .manifests[] | select(.plan.action == "index") | .platform | "\(.os)/\(.architecture)""#;
    let jq = sandbox.program("jq").args(["-r", program]);
    let finished = jq.stdin(documents).run().succeeds();
    assert_eq!(finished.text(), "linux/amd64\nlinux/amd64\n");
}

#[test]
fn finds_recipes_in_a_text() {
    let [recipe] = &find_recipes("run `jq . x` or:\n  a | jq -c -r '.a | \"b\"' < x")[..] else {
        panic!("expected one recipe");
    };
    assert_eq!(recipe.options, ["-c", "-r"]);
    assert_eq!(recipe.program, ".a | \"b\"");
}
