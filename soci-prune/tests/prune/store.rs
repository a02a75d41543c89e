//! A store that a test fills, with files of any age.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use soci_testkit::{
    document::DocumentBuilder,
    image::{self, Image, Layer},
    process::{Finished, Sandbox, Tool},
    store::{blob_file, files_below},
};

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A store in a sandbox.
pub(crate) struct Store {
    pub(crate) sandbox: Sandbox,
}

/// What the store has for one image.
pub(crate) struct Stored {
    /// The document that `soci-push` reads.
    pub(crate) document: Value,
}

impl Store {
    /// Creates an empty store.
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.store()).expect("a new store");
        let store = Self { sandbox };
        store.write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        store.write("index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
        store.write("soci-store", "{\"version\":1}\n");
        store
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.sandbox.store()
    }

    /// Writes a file of the store, and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.sandbox.write(&format!("store/{name}"), content)
    }

    /// Writes a blob, and returns its path.
    pub(crate) fn write_blob(&self, content: &[u8]) -> PathBuf {
        let digest = image::digest(content);
        self.write(&format!("blobs/{}", digest.replace(':', "/")), content)
    }

    /// Fills the store as `soci-pull --layers`, `soci-plan` and `soci-index` do for an image with
    /// these layers.
    pub(crate) fn add_image(&self, name: &str, layers: &[Layer]) -> Stored {
        let layout = self.sandbox.path().join(name);
        let image = Image::new("linux/amd64");
        let image = image.layers(layers.iter().cloned());
        image::write_layout(&layout, &[image]);
        let reference = format!("oci:{name}");
        let line = DocumentBuilder::new(&self.sandbox, &reference).indexed(layout.as_path());
        let document: Value = serde_json::from_slice(&line).expect("a document");
        let stored = Stored { document };
        for layer in stored.layers() {
            let content = fs::read(blob_file(&layout, &layer["descriptor"]["digest"]));
            self.write_blob(&content.expect("a layer"));
            let entry = json!({"ztoc": {"digest": layer["ztoc"]["digest"], "size": 1}});
            let key = image::digest(layer.to_string().as_bytes());
            let key = key.strip_prefix("sha256:").expect("a digest");
            self.write(&format!("ztocs/{key}"), entry.to_string());
        }
        stored
    }

    /// Sets the time since the last use of all files.
    pub(crate) fn set_all_ages(&self, age: Duration) {
        for file in files_below(&self.path()) {
            set_age(&file, age);
        }
    }

    /// Returns the files of the store, relative to it.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        let files = files_below(&self.path()).into_iter();
        let relative = |path: PathBuf| path.strip_prefix(self.path()).map(Path::to_owned);
        files
            .map(|path| relative(path).expect("a file of the store"))
            .collect()
    }

    /// Returns whether the store has a blob.
    pub(crate) fn has(&self, digest: &Value) -> bool {
        blob_file(&self.path(), digest).exists()
    }

    /// Returns the size of all files that `soci-prune` may remove, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let is_fixed = |path: &PathBuf| path.components().count() == 1;
        let files = self.files().into_iter().filter(|path| !is_fixed(path));
        let sizes = files.map(|path| fs::metadata(self.path().join(path)).expect("a file").len());
        sizes.sum()
    }

    pub(crate) fn tool(&self) -> Tool {
        self.sandbox.program(cargo_bin!("soci-prune"))
    }

    /// Runs `soci-prune`.
    pub(crate) fn prune(&self, arguments: &[&str]) -> Finished {
        self.tool().args(arguments).run()
    }
}

impl Stored {
    pub(crate) fn layers(&self) -> &[Value] {
        let layers = self.document["manifests"][0]["layers"].as_array();
        layers.expect("layers")
    }

    /// Returns the digests of the layers.
    pub(crate) fn layer_digests(&self) -> Vec<&Value> {
        let layers = self.layers().iter();
        layers.map(|layer| &layer["descriptor"]["digest"]).collect()
    }

    /// Returns the digests of the ztocs.
    pub(crate) fn ztocs(&self) -> Vec<&Value> {
        let layers = self.layers().iter();
        layers.map(|layer| &layer["ztoc"]["digest"]).collect()
    }

    /// Returns the digests of all SOCI indexes, manifests and configurations that the document
    /// names.
    pub(crate) fn manifests(&self) -> Vec<&Value> {
        let entry = &self.document["manifests"][0];
        vec![
            &self.document["root"]["digest"],
            &self.document["converted"]["digest"],
            &entry["descriptor"]["digest"],
            &entry["config"]["digest"],
            &entry["index"]["v1"]["digest"],
            &entry["index"]["v2"]["digest"],
        ]
    }
}

/// Sets the time since the last use of a file.
pub(crate) fn set_age(path: &Path, age: Duration) {
    let file = File::open(path).expect("a file");
    // The time of a new file is that of the file system's clock.
    let clock = tempfile::tempfile().expect("a new file");
    let now = clock.metadata().and_then(|metadata| metadata.modified());
    let time = now.expect("a time") - age;
    file.set_modified(time).expect("a changed time");
}

/// Returns the result line of a run.
pub(crate) fn result(finished: &Finished) -> Value {
    let mut lines = finished.documents();
    let result = lines.pop().expect("a result");
    assert!(result["store"].is_string(), "{result}");
    result
}

/// Returns the paths of the files that a run lists.
pub(crate) fn listed(finished: &Finished) -> BTreeSet<PathBuf> {
    let mut lines = finished.documents();
    drop(lines.pop());
    let file = |line: &Value| PathBuf::from(line["file"].as_str().expect("a file"));
    lines.iter().map(file).collect()
}
