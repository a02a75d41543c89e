//! A tool in front of its input, in a sandbox that can be had as often as it is needed.

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

/// A tool, its arguments, its input, and what lies in its sandbox.
pub(crate) struct Stage {
    /// What it is called in reports.
    pub(crate) title: &'static str,
    tool: &'static str,
    arguments: &'static [&'static str],
    stdin: Vec<u8>,
    template: Sandbox,
}

/// What a tool does when nothing fails.
pub(crate) struct Undisturbed {
    pub(crate) stdout: Vec<u8>,
    pub(crate) files: Files,
    pub(crate) calls: Vec<Call>,
}

/// The files below a folder, with their content.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

impl Stage {
    /// Returns the stages, each in front of what the one before it made.
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
        copy(empty.path(), other.path());
        // The stages behind a pull start from what the last one pulled.
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
            // All ways to push start from what was indexed.
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

    /// Runs the tool and returns its sandbox and what it wrote.
    fn run(&self) -> (Sandbox, Vec<u8>) {
        let sandbox = self.sandbox();
        let stdout = self.tool(&sandbox).run().succeeds().stdout;
        (sandbox, stdout)
    }

    /// Returns a sandbox as the stage before it left it.
    pub(crate) fn sandbox(&self) -> Sandbox {
        let sandbox = Sandbox::new();
        copy(self.template.path(), sandbox.path());
        sandbox
    }

    /// Returns the tool, to be run.
    pub(crate) fn tool(&self, sandbox: &Sandbox) -> Tool {
        self.set(sandbox.tool(self.tool))
    }

    /// Returns the tool, to be run under strace with these options; what strace says goes to the file `trace`.
    pub(crate) fn traced(&self, sandbox: &Sandbox, options: &[String]) -> Tool {
        let strace = sandbox.program("strace").args(["-f", "-y", "-o", "trace"]);
        let strace = strace.args(options);
        self.set(strace.arg(soci_testkit::process::bin(self.tool)))
    }

    fn set(&self, tool: Tool) -> Tool {
        let tool = tool.args(self.arguments).stdin(self.stdin.clone());
        tool.env("SOCI_MIN_LAYER_SIZE", "0")
    }

    /// Runs the tool, and returns what it does.
    pub(crate) fn undisturbed(&self) -> Undisturbed {
        let sandbox = self.sandbox();
        let calls = [CHANGING, OPENING, &["read"]].concat().join(",");
        let ended = self.traced(&sandbox, &[format!("--trace={calls}")]).run();
        let stdout = ended.succeeds().stdout;
        let trace = fs::read_to_string(sandbox.path().join("trace")).expect("what strace wrote");
        Undisturbed {
            stdout,
            files: files(sandbox.path()),
            calls: calls::parse(&trace, sandbox.path()),
        }
    }

    /// Says whether the tool publishes what the others made.
    pub(crate) fn is_push(&self) -> bool {
        self.tool == "soci-push"
    }

    /// Returns the files that lie there before the tool runs.
    pub(crate) fn files_before(&self) -> Files {
        files(self.template.path())
    }
}

/// Writes a layout with an image of four small layers.
fn write_image(folder: &Path) {
    let layer = |name: &str, byte: u8| Layer::gzip(&[(name, &[byte; 2000])]);
    // The calls of a thread that indexes cannot be told from those that load the program, until it has made more of them.
    let image = ["a", "b", "c", "d"]
        .into_iter()
        .zip(1..)
        .fold(Image::new("linux/amd64"), |image, (name, byte)| {
            image.layer(layer(name, byte))
        });
    image::write_layout(folder, &[image]);
}

/// Returns a document as text, without what differs from run to run or tells how much was there already.
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
    document.to_string()
}

/// Returns whether standard output holds nothing, or all.
pub(crate) fn is_whole(ended: &Finished, undisturbed: &Undisturbed) -> bool {
    ended.stdout.is_empty() || comparable(&ended.stdout) == comparable(&undisturbed.stdout)
}

/// Returns the files below a folder by their path in it, without strace's.
pub(crate) fn files(root: &Path) -> Files {
    let mut found = Files::new();
    gather(root, root, &mut found);
    found.remove(Path::new("trace"));
    found
}

fn gather(root: &Path, folder: &Path, found: &mut Files) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            gather(root, &path, found);
        } else {
            let name = path.strip_prefix(root).expect("a path below the root");
            found.insert(name.to_owned(), fs::read(&path).expect("a file"));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for (name, content) in files(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable sandbox");
        fs::write(path, content).expect("a writable sandbox");
    }
}
