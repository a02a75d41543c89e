//! Runs the stages as a pipeline or one by one.

use serde_json::Value;
use soci_testkit::process::{Finished, Sandbox, Tool, pipeline};
use soci_testkit::workspace;
pub(crate) use soci_testkit::{
    image::{noise, random_layer as layer},
    store::{assert_sound, blob_file, blob_json, files_below},
};

/// Runs `soci-pull REF… | soci-plan … | soci-index | soci-push …`. Layers of every size are
/// indexed.
#[must_use]
pub(crate) struct Stages<'a> {
    sandbox: &'a Sandbox,
    references: Vec<String>,
    plan: Vec<String>,
    push: Vec<String>,
}

impl<'a> Stages<'a> {
    pub(crate) fn of<R: AsRef<str>>(sandbox: &'a Sandbox, references: &[R]) -> Self {
        Self {
            sandbox,
            references: to_strings(references),
            plan: Vec::new(),
            push: Vec::new(),
        }
    }

    pub(crate) fn plan(mut self, arguments: &[&str]) -> Self {
        self.plan = to_strings(arguments);
        self
    }

    pub(crate) fn push(mut self, arguments: &[&str]) -> Self {
        self.push = to_strings(arguments);
        self
    }

    /// Runs the pipeline.
    #[track_caller]
    pub(crate) fn run(self) -> Run {
        self.run_with(|tool| tool)
    }

    /// Runs the pipeline, with settings for each tool.
    #[track_caller]
    pub(crate) fn run_with(self, set: impl Fn(Tool) -> Tool) -> Run {
        let tools = [
            ("soci-pull", self.references),
            ("soci-plan", self.plan),
            ("soci-index", Vec::new()),
            ("soci-push", self.push),
        ];
        let tools = tools.map(|(name, arguments)| set(stage(self.sandbox, name)).args(arguments));
        Run(pipeline(tools))
    }
}

/// How each stage of a pipeline ended.
pub(crate) struct Run(Vec<Finished>);

impl Run {
    /// Asserts that all stages succeeded, and returns the documents of the last one.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Vec<Value> {
        self.ends_with([0; 4])
    }

    /// Asserts the exit status of each stage, and returns the documents of the last one.
    #[track_caller]
    pub(crate) fn ends_with(self, codes: [i32; 4]) -> Vec<Value> {
        let ended: Vec<i32> = self.0.iter().map(Finished::code).collect();
        assert_eq!(ended, codes, "the stages wrote:\n{}", self.stderr());
        self.0.last().expect("four stages").documents()
    }

    /// As [`Self::succeeds`], for one image.
    #[track_caller]
    pub(crate) fn succeeds_for_one(self) -> Value {
        only_document(self.succeeds())
    }

    /// Asserts that a stage has written `text` to stderr.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let stderr = self.stderr();
        assert!(stderr.contains(text), "no `{text}` in:\n{stderr}");
        self
    }

    /// Returns what all stages wrote to stderr.
    pub(crate) fn stderr(&self) -> String {
        self.0.iter().map(|stage| stage.stderr.as_str()).collect()
    }

    /// Returns the standard output of the last stage.
    pub(crate) fn stdout(&self) -> &[u8] {
        &self.0.last().expect("four stages").stdout
    }
}

fn to_strings<S: AsRef<str>>(texts: &[S]) -> Vec<String> {
    texts.iter().map(|text| text.as_ref().to_owned()).collect()
}

/// Returns one of the tools, which indexes layers of every size.
pub(crate) fn stage(sandbox: &Sandbox, name: &str) -> Tool {
    sandbox.tool(name).env("SOCI_MIN_LAYER_SIZE", "0")
}

/// Returns a command of `sh`, which knows no `pipefail`, with the tools in its search path.
pub(crate) fn shell(sandbox: &Sandbox, script: &str) -> Tool {
    let tools = workspace::bin("soci-pull");
    let tools = tools.parent().expect("a folder").display();
    let script = format!("PATH='{tools}':$PATH; {script}");
    let shell = sandbox.program("sh").args(["-c", &script, "sh"]);
    shell.env("SOCI_MIN_LAYER_SIZE", "0")
}

/// Asserts that one document was written, and returns it.
#[track_caller]
pub(crate) fn only_document(mut documents: Vec<Value>) -> Value {
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0)
}

/// Pulls, plans and indexes an image, and returns the line that `soci-push` would read.
#[track_caller]
pub(crate) fn indexed(sandbox: &Sandbox, reference: &str) -> Vec<u8> {
    let tools = [
        stage(sandbox, "soci-pull").arg(reference),
        stage(sandbox, "soci-plan"),
        stage(sandbox, "soci-index"),
    ];
    let mut last = Vec::new();
    for ended in pipeline(tools) {
        last = ended.succeeds().stdout;
    }
    last
}

/// Pulls and plans an image, and returns the line that `soci-index` would read.
#[track_caller]
pub(crate) fn planned(sandbox: &Sandbox, reference: &str) -> Vec<u8> {
    let pulled = stage(sandbox, "soci-pull").arg(reference).run().succeeds();
    let plan = stage(sandbox, "soci-plan").stdin(pulled.stdout).run();
    plan.succeeds().stdout
}

/// Returns the layers of all manifests of a document.
pub(crate) fn layers(document: &Value) -> Vec<&Value> {
    let manifests = document["manifests"].as_array().expect("manifests");
    let layers = manifests
        .iter()
        .map(|manifest| manifest["layers"].as_array());
    layers.flatten().flatten().collect()
}
