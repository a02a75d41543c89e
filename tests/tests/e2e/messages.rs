//! `scripts/messages.sh`, which prints every text that a user can see.

use std::{
    fs,
    path::{Path, PathBuf},
};

use soci_testkit::{process::Sandbox, store::files_below, workspace};

/// Returns the source files of the libraries and the tools, without those of tests.
pub(crate) fn sources() -> Vec<PathBuf> {
    let root = workspace::root();
    let folders = fs::read_dir(&root).expect("the workspace").flatten();
    let tools = folders.map(|folder| folder.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("soci-")
    });
    let crates = fs::read_dir(root.join("crates")).expect("crates").flatten();
    let packages = tools.chain(crates.map(|folder| folder.path()));
    let packages = packages.filter(|path| !path.ends_with("soci-testkit"));
    let files = packages.flat_map(|package| files_below(&package.join("src")));
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files.filter(is_source).collect()
}

/// Returns the texts of the attributes `#[error("…")]` of one line, before the first escape.
fn error_texts(source: &Path) -> Vec<String> {
    let source = fs::read_to_string(source).expect("a source file");
    let lines = source.lines().map(str::trim);
    let texts = lines.filter_map(|line| line.strip_prefix("#[error(\""));
    let until_end = |text: &str| text.split(['"', '\\']).next().map(str::to_owned);
    texts.filter_map(until_end).collect()
}

#[test]
fn prints_every_help_text_and_message() {
    let sandbox = Sandbox::new();
    let tool = workspace::bin("soci-push");
    let directory = tool.parent().expect("a directory");
    let script = sandbox.program(workspace::root().join("scripts/messages.sh"));
    let printed = script.arg(directory).run().succeeds();
    let printed = printed.text();
    let mut errors = 0;
    for source in sources() {
        for text in error_texts(&source) {
            assert!(printed.contains(&text), "{}: {text}", source.display());
            errors += 1;
        }
    }
    assert!(errors > 100, "{errors}");
    for (kind, text) in [
        ("the short help", "========== soci-prune -h"),
        ("the long help", "========== soci-pull --help"),
        ("an option", "--min-layer-size <SIZE>"),
        ("the help of the container", "usage: docker run"),
        (
            "a message of the container",
            "no directory for the store can be written",
        ),
        ("a file", "\nsoci-index/src/image.rs\n"),
        ("an error", "error    cannot {action} `{}`"),
        ("a failure", "message  the document has no plan"),
        ("a hint", "hint     pass it through soci-plan first"),
        ("a context", "context  cannot read stdin"),
        ("a warning", "warn     {operation}: {reason}; try {} failed"),
        ("a debug message", "debug    nothing to reuse: {error}"),
        ("the cause of a reason", "the platform was not asked for"),
        ("a cure", "lower `--min-layer-size`"),
        ("a text of several lines", "a URL is not a reference"),
    ] {
        assert!(printed.contains(text), "{kind}: {text}");
    }
    for absent in ["no panic", "canary"] {
        assert!(!printed.contains(absent), "a text of a test: {absent}");
    }
}
