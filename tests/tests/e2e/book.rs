//! The commands of README.md and of the book's pages, run as they stand there.
//!
//! Each page has a registry of its own under the host names that the pages use, in a network without
//! other hosts. The blocks of a page run one after the other in one directory, each in its own
//! shell, as a reader would paste them. A block that cannot run here is in [`NOT_RUN`] with the
//! reason.

mod block;
mod policies;
mod shown;
mod world;

use std::fs;

use soci_testkit::{namespace, workspace};

use self::{
    block::{Block, Language, blocks_of},
    world::{HOSTS, Images, World},
};

/// Why a block is not run.
struct Excuse {
    page: &'static str,
    /// A text that the block contains.
    text: &'static str,
    reason: &'static str,
}

/// Returns an excuse for the blocks of a page that contain a text.
const fn excuse(page: &'static str, text: &'static str, reason: &'static str) -> Excuse {
    Excuse { page, text, reason }
}

/// The blocks that are not run.
const NOT_RUN: &[Excuse] = &[
    excuse(
        "docs/RELEASING.md",
        "make dist",
        "builds the archives, which their own test does",
    ),
    excuse(
        "deploy/lambda/README.md",
        "aws cloudformation",
        "needs an account of AWS",
    ),
    excuse(
        "deploy/kubernetes/README.md",
        "kubectl apply",
        "needs a cluster; `deploy/kubernetes.rs` runs what the pods run",
    ),
    excuse("docs/backfill.md", "aws ecr", "needs an account of AWS"),
    excuse(
        "docs/backfill.md",
        "skopeo list-tags",
        "`deploy/backfill.rs` runs it",
    ),
    excuse(
        "docs/backfill.md",
        "finished.txt",
        "`deploy/backfill.rs` runs it",
    ),
    excuse(
        "docs/backfill.md",
        "soci-pull < todo.txt | soci-plan | soci-report",
        "`deploy/backfill.rs` runs it",
    ),
    excuse(
        "docs/backfill.md",
        "select(.error) |",
        "`deploy/backfill.rs` runs it",
    ),
    excuse("README.md", "make install", "`install.rs` runs it"),
    excuse(
        "README.md",
        "make demo",
        "builds all tools in release; `demo.rs` runs the rest",
    ),
    excuse("README.md", "make test", "runs this test"),
    excuse(
        "docs/check.md",
        "soci-check --list",
        "its image must have a file of more than 100 MB; `inspect.rs` runs these options",
    ),
    excuse("docs/deploy.md", "aws ecr", "needs an account of AWS"),
    excuse(
        "docs/deploy.md",
        "ECS_CONTAINER_METADATA_URI_V4",
        "needs a task of ECS",
    ),
    excuse(
        "docs/deploy.md",
        "cosign",
        "needs a key, and a program that the tests do not need",
    ),
    excuse("docs/ecr.md", "aws ecr", "needs an account of AWS"),
    excuse("docs/performance.md", "make bench", "measures for minutes"),
    excuse("docs/performance.md", "hyperfine", "measures for minutes"),
    excuse(
        "docs/performance.md",
        "make image",
        "builds for minutes; `container.rs` measures an image",
    ),
    excuse(
        "docs/performance.md",
        "benches/old-chain.sh",
        "measures for minutes",
    ),
    excuse(
        "docs/performance.md",
        "benches/rebuild.py",
        "measures for minutes",
    ),
    excuse("docs/performance.md", "cargo test", "runs other tests"),
    excuse(
        "docs/performance.md",
        "cargo build --profile dist -p soci-lambda",
        "measures; `lambda.rs` runs the function in the emulator",
    ),
    excuse(
        "docs/pipes.md",
        "# what failed",
        "`readme.rs` runs it on documents with failures",
    ),
    excuse(
        "docs/prefetch.md",
        "strace",
        "needs an image with an entrypoint",
    ),
    excuse(
        "docs/scale/README.md",
        "docs/scale/model.py",
        "writes the page; it is run by hand when a figure changes",
    ),
    excuse(
        "docs/store.md",
        "soci-prune --max-size 100MB",
        "needs a store of 100 MB; `prune.rs` compares what is printed",
    ),
    excuse(
        "tests/builders/README.md",
        "make builders",
        "installs image builders, and runs for many minutes",
    ),
];

/// The pages that show what happens to an image for the first time.
const WITHOUT_DOCUMENTS: [&str; 2] = ["README.md", "docs/start.md"];

/// Returns the paths of README.md and of the pages in `docs/SUMMARY.md`, from the root.
fn pages() -> Vec<String> {
    let summary = workspace::root().join("docs/SUMMARY.md");
    let summary = fs::read_to_string(summary).expect("docs/SUMMARY.md");
    let links = summary.split("](").skip(1);
    let pages = links.filter_map(|rest| rest.split_once(')'));
    let from_root = |page: &str| match page.strip_prefix("../") {
        Some(page) => page.to_owned(),
        None => format!("docs/{page}"),
    };
    pages.map(|(page, _)| from_root(page)).collect()
}

fn read(page: &str) -> String {
    let path = workspace::root().join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Returns the blocks of a page with commands.
fn commands(page: &str) -> Vec<Block> {
    let mut blocks = blocks_of(&read(page));
    blocks.retain(|block| matches!(block.language, Language::Shell | Language::Console));
    blocks
}

fn find_excuse(page: &str, block: &Block) -> Option<&'static Excuse> {
    let applies = |excuse: &&Excuse| excuse.page == page && block.text.contains(excuse.text);
    NOT_RUN.iter().find(applies)
}

/// Each block runs without a failure, and prints what its page shows.
#[test]
fn every_command_of_the_book_runs() {
    namespace::isolated(&HOSTS, || {
        let images = Images::new();
        let mut failures = Vec::new();
        for page in pages() {
            let mut blocks = commands(&page);
            blocks.retain(|block| find_excuse(&page, block).is_none());
            if blocks.is_empty() {
                continue;
            }
            let world = World::new(&images, &read(&page));
            if !WITHOUT_DOCUMENTS.contains(&page.as_str()) {
                world.add_documents();
            }
            for block in blocks {
                if let Err(problem) = world.run(&block) {
                    failures.push(format!("{page}, line {}: {problem}", block.line));
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    });
}

/// Each excuse is about a block that exists, and tells its reason.
#[test]
fn every_excuse_is_needed() {
    for excuse in NOT_RUN {
        let blocks = commands(excuse.page);
        let found = blocks.iter().any(|block| block.text.contains(excuse.text));
        assert!(found, "{} has no `{}`", excuse.page, excuse.text);
        assert!(excuse.reason.len() > 10, "{}", excuse.text);
    }
}

/// Each figure in bold in README.md is in `docs/performance.md`, which has its command.
#[test]
fn the_figures_of_the_readme_are_measured() {
    let (readme, measured) = (read("README.md"), read("docs/performance.md"));
    let bold = readme.split("**").skip(1).step_by(2);
    let figures: Vec<&str> = bold
        .flat_map(str::split_whitespace)
        .filter(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    assert_eq!(figures.len(), 3, "{figures:?}");
    for figure in figures {
        let known = measured.contains(figure);
        assert!(known, "{figure} is not in docs/performance.md");
    }
}

/// Each page of `docs/` is in the book.
#[test]
fn every_page_is_in_the_book() {
    let pages = pages();
    for entry in fs::read_dir(workspace::root().join("docs")).expect("docs") {
        let path = entry.expect("a page").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        if is_page && name != "SUMMARY.md" {
            let page = format!("docs/{name}");
            assert!(pages.contains(&page), "docs/SUMMARY.md lacks {page}");
        }
    }
}
