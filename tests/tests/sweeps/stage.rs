//! A stage of the pipeline, which can run any number of times with the same input and files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use soci_testkit::{
    image::{self, Image, Layer},
    process::{Finished, Sandbox, Tool},
};

use crate::calls::{self, CHANGING, Call, OPENING};

/// A tool with its arguments, its stdin, and the files of its sandbox.
pub(crate) struct Stage {
    /// The name in messages.
    pub(crate) title: &'static str,
    tool: &'static str,
    arguments: &'static [&'static str],
    stdin: Vec<u8>,
    template: Sandbox,
}

/// The outcome of a run without faults.
pub(crate) struct Baseline {
    pub(crate) stdout: Vec<u8>,
    pub(crate) files: Files,
    pub(crate) calls: Vec<Call>,
}

/// The content of the files below a folder, by their relative paths.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

impl Stage {
    /// Returns all stages. The input of each is the output of the one before it.
    pub(crate) fn all() -> Vec<Self> {
        let empty = Sandbox::new();
        write_image(&empty.path().join("image"));
        let pull = |title, arguments, template| Self {
            title,
            tool: "soci-pull",
            arguments,
            stdin: Vec::new(),
            template,
        };
        let other = Sandbox::new();
        copy_files(empty.path(), other.path());
        // `soci-plan` follows the second pull, with layers.
        let mut stages = vec![
            pull("soci-pull", &["oci:image:latest"], other),
            pull(
                "soci-pull --layers",
                &["--layers", "oci:image:latest"],
                empty,
            ),
        ];
        let chain: [(_, _, &[&str]); 5] = [
            ("soci-plan", "soci-plan", &[]),
            ("soci-index", "soci-index", &["--jobs", "1"]),
            (
                "soci-push to a layout",
                "soci-push",
                &["--max-concurrent-uploads", "1"],
            ),
            (
                "soci-push to another layout",
                "soci-push",
                &["--max-concurrent-uploads", "1", "--to", "oci:other:fast"],
            ),
            (
                "soci-push to an archive",
                "soci-push",
                &[
                    "--max-concurrent-uploads",
                    "1",
                    "--to",
                    "oci-archive:image.tar",
                ],
            ),
        ];
        for (title, tool, arguments) in chain {
            // All three pushes follow `soci-index`.
            let before = stages.iter().rposition(|stage: &Self| stage.tool != tool);
            let (template, stdin) = stages[before.expect("a stage")].run();
            stages.push(Self {
                title,
                tool,
                arguments,
                stdin,
                template,
            });
        }
        stages
    }

    /// Runs the tool, and returns its sandbox and stdout.
    fn run(&self) -> (Sandbox, Vec<u8>) {
        let sandbox = self.sandbox();
        let stdout = self.tool(&sandbox).run().succeeds().stdout;
        (sandbox, stdout)
    }

    /// Returns a new sandbox with the files of the stage before.
    pub(crate) fn sandbox(&self) -> Sandbox {
        let sandbox = Sandbox::new();
        copy_files(self.template.path(), sandbox.path());
        sandbox
    }

    /// Returns the command of the tool.
    pub(crate) fn tool(&self, sandbox: &Sandbox) -> Tool {
        self.configure(sandbox.tool(self.tool))
    }

    /// Returns a command that runs the tool under strace with these options. strace writes to the
    /// file `trace`.
    pub(crate) fn traced(&self, sandbox: &Sandbox, options: &[String]) -> Tool {
        let strace = sandbox.program("strace").args(["-f", "-y", "-o", "trace"]);
        let strace = strace.args(options);
        self.configure(strace.arg(soci_testkit::workspace::bin(self.tool)))
    }

    fn configure(&self, tool: Tool) -> Tool {
        let tool = tool.args(self.arguments).stdin(self.stdin.clone());
        tool.env("SOCI_MIN_LAYER_SIZE", "0")
    }

    /// Runs the tool without faults.
    pub(crate) fn baseline(&self) -> Baseline {
        let sandbox = self.sandbox();
        let calls = [CHANGING, OPENING, &["read"]].concat().join(",");
        let ended = self.traced(&sandbox, &[format!("--trace={calls}")]).run();
        let stdout = ended.succeeds().stdout;
        let trace = fs::read_to_string(sandbox.path().join("trace")).expect("what strace wrote");
        Baseline {
            stdout,
            files: files(sandbox.path()),
            calls: calls::parse(&trace, sandbox.path()),
        }
    }

    /// Returns whether the tool is `soci-push`.
    pub(crate) fn is_push(&self) -> bool {
        self.tool == "soci-push"
    }

    /// Returns the files of the sandbox before the tool runs.
    pub(crate) fn files_before(&self) -> Files {
        files(self.template.path())
    }
}

/// Writes a layout with an image of four small layers.
///
/// With fewer layers, the calls of an indexing thread would have the same numbers as those of the
/// loader.
fn write_image(folder: &Path) {
    let layer = |name: &str, byte: u8| Layer::gzip(&[(name, &[byte; 2000])]);
    let image = ["a", "b", "c", "d"]
        .into_iter()
        .zip(1..)
        .fold(Image::new("linux/amd64"), |image, (name, byte)| {
            image.layer(layer(name, byte))
        });
    image::write_layout(folder, &[image]);
}

/// Returns a document without the fields that differ between runs, or that depend on what existed
/// before.
pub(crate) fn comparable(stdout: &[u8]) -> String {
    let mut document: Value = match serde_json::from_slice(stdout) {
        Ok(document) => document,
        Err(error) => return format!("no document: {error}"),
    };
    let object = document.as_object_mut().expect("a document");
    object.remove("timing");
    if let Some(push) = object.get_mut("push").and_then(Value::as_object_mut) {
        push.retain(|name, _| !matches!(name.as_str(), "uploaded" | "existing" | "bytes"));
    }
    soci_testkit::document::remove_reuse(&mut document);
    document.to_string()
}

/// Returns whether stdout is empty, complete, or the line of a failed image.
pub(crate) fn is_whole(ended: &Finished, baseline: &Baseline) -> bool {
    ended.stdout.is_empty()
        || is_failure(ended)
        || comparable(&ended.stdout) == comparable(&baseline.stdout)
}

/// Returns whether stdout is one line, of a failed image with the exit status of the tool.
pub(crate) fn is_failure(ended: &Finished) -> bool {
    let line: Result<Value, _> = serde_json::from_slice(&ended.stdout);
    line.is_ok_and(|line| line["error"]["exit"] == ended.code())
}

/// Returns the files below a folder, except that of strace.
pub(crate) fn files(root: &Path) -> Files {
    let mut found = Files::new();
    add_files(root, root, &mut found);
    found.remove(Path::new("trace"));
    found
}

fn add_files(root: &Path, folder: &Path, found: &mut Files) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            add_files(root, &path, found);
        } else {
            let name = path.strip_prefix(root).expect("a path below the root");
            found.insert(name.to_owned(), fs::read(&path).expect("a file"));
        }
    }
}

pub(crate) fn copy_files(from: &Path, to: &Path) {
    for (name, content) in files(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable sandbox");
        fs::write(path, content).expect("a writable sandbox");
    }
}
