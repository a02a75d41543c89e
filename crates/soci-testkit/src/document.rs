//! Makes the documents that a stage reads, and the store that belongs to them, without running the
//! stages before it.
//!
//! A test of one tool needs the output of other tools as its input: `soci-push` reads what
//! `soci-index` writes. A `DocumentBuilder` writes both the document and the store. The ztocs are
//! stand-ins, a line of text each, because `soci-push` sends them without decoding them. An
//! end-to-end test compares these documents with those of the real tools.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    faulty::Faulty,
    image::{self, OCI},
    process::Sandbox,
};

const SOCI_V1: &str = "application/vnd.amazon.soci.index.v1+json";
const SOCI_V2: &str = "application/vnd.amazon.soci.index.v2+json";

/// The content of every SOCI index's configuration.
const EMPTY_CONFIG: &[u8] = b"{}";

/// Where the manifests and configurations of an image are read from.
pub trait ImageSource {
    /// Returns the descriptor of the image's index or only manifest.
    fn root(&self) -> Value;

    /// Returns a manifest or configuration.
    fn content(&self, digest: &str) -> Vec<u8>;
}

/// An OCI image layout, such as [`image::write_layout`] makes.
impl ImageSource for Path {
    fn root(&self) -> Value {
        let index = fs::read(self.join("index.json")).expect("an OCI image layout");
        let index: Value = serde_json::from_slice(&index).expect("JSON");
        index["manifests"][0].clone()
    }

    fn content(&self, digest: &str) -> Vec<u8> {
        let path = self.join("blobs").join(digest.replace(':', "/"));
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// The image `app:v1` of a registry in this process.
impl ImageSource for Faulty {
    fn root(&self) -> Value {
        let manifest = self.manifest("app", "v1").expect("the image app:v1");
        json!({"mediaType": manifest.media_type, "digest": manifest.digest,
            "size": manifest.bytes().len()})
    }

    fn content(&self, digest: &str) -> Vec<u8> {
        match self.manifest("app", digest) {
            Some(manifest) => manifest.bytes().to_vec(),
            None => self.blob(digest).expect("a blob of the image"),
        }
    }
}

/// Makes the document of one image, as `soci-pull`, `soci-plan` or `soci-index` would.
#[must_use]
pub struct DocumentBuilder<'a> {
    sandbox: &'a Sandbox,
    reference: &'a str,
    all_platforms: bool,
    build_tool_identifier: &'a str,
}

impl<'a> DocumentBuilder<'a> {
    /// Starts a document for an image. The builder writes to the sandbox's store.
    pub fn new(sandbox: &'a Sandbox, reference: &'a str) -> Self {
        Self {
            sandbox,
            reference,
            all_platforms: false,
            build_tool_identifier: concat!("soci-index ", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Plans every platform, instead of only linux/amd64.
    pub fn all_platforms(mut self) -> Self {
        self.all_platforms = true;
        self
    }

    /// Sets the build tool identifier of the SOCI indexes, so that they differ from those of
    /// another builder.
    pub fn build_tool_identifier(mut self, identifier: &'a str) -> Self {
        self.build_tool_identifier = identifier;
        self
    }

    /// Returns the line that `soci-plan` reads.
    pub fn pulled(&self, source: &(impl ImageSource + ?Sized)) -> Vec<u8> {
        line(&self.pull(source))
    }

    /// Returns the line that `soci-index` reads. Layers of every size are to be indexed.
    pub fn planned(&self, source: &(impl ImageSource + ?Sized)) -> Vec<u8> {
        line(&self.plan(source))
    }

    /// Returns the line that `soci-push` reads, with SOCI indexes of both versions.
    pub fn indexed(&self, source: &(impl ImageSource + ?Sized)) -> Vec<u8> {
        line(&self.index(source))
    }

    fn pull(&self, source: &(impl ImageSource + ?Sized)) -> Value {
        fs::create_dir_all(self.sandbox.store().join("blobs/sha256")).expect("a writable sandbox");
        let marker = r#"{"imageLayoutVersion":"1.0.0"}"#;
        fs::write(self.sandbox.store().join("oci-layout"), marker).expect("a writable sandbox");
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        fs::write(self.sandbox.store().join("index.json"), index).expect("a writable sandbox");
        let marker = "{\"version\":1}\n";
        fs::write(self.sandbox.store().join("soci-store"), marker).expect("a writable sandbox");
        let root = source.root();
        let content = self.copy(source, &root);
        let manifests = match content["manifests"].as_array() {
            Some(children) => children
                .iter()
                .map(|child| self.entry(source, child))
                .collect(),
            None => vec![self.entry(source, &root)],
        };
        json!({"version": 1, "image": self.reference, "root": root, "manifests": manifests,
            "timing": {"pull": {"seconds": 0.5, "bytes": 1}}})
    }

    /// Returns what a pulled document says of a manifest.
    fn entry(&self, source: &(impl ImageSource + ?Sized), descriptor: &Value) -> Value {
        let manifest = self.copy(source, descriptor);
        let config = &manifest["config"];
        let layers = manifest["layers"].as_array().expect("layers").iter();
        let layers: Vec<Value> = layers.map(|layer| json!({"descriptor": layer})).collect();
        let mut entry = json!({"descriptor": descriptor});
        let platform = self.copy(source, config);
        entry["platform"] = if descriptor["platform"].is_null() {
            let fields = ["architecture", "os", "variant"].into_iter();
            let fields = fields.filter(|field| !platform[field].is_null());
            fields
                .map(|field| (field.to_owned(), platform[field].clone()))
                .collect()
        } else {
            descriptor["platform"].clone()
        };
        entry["config"] = config.clone();
        entry["layers"] = layers.into();
        entry
    }

    fn plan(&self, source: &(impl ImageSource + ?Sized)) -> Value {
        let mut document = self.pull(source);
        let mut platforms = Vec::new();
        for entry in entries(&mut document) {
            let platform = platform_of(entry);
            let name = name_of(&platform);
            let attestation = name.starts_with("unknown");
            if attestation || !(self.all_platforms || name == "linux/amd64") {
                let reason = if attestation {
                    "attestation"
                } else {
                    "platform"
                };
                entry["plan"] = json!({"action": "skip", "reason": reason});
                continue;
            }
            platforms.push(name);
            entry["plan"] = json!({"action": "index", "platform": platform});
            for layer in entry["layers"].as_array_mut().expect("layers") {
                layer["plan"] = json!({"action": "index"});
            }
        }
        document["plan"] = json!({"platforms": platforms, "minLayerSize": 0, "spanSize": 4 << 20,
            "indexVersion": "both"});
        document
    }

    fn index(&self, source: &(impl ImageSource + ?Sized)) -> Value {
        let mut document = self.plan(source);
        let root = document["root"].clone();
        let mut converted = match self.read(&root) {
            index if index["manifests"].is_array() => index,
            _ => {
                let mut only = root;
                only["platform"] = platform_of(&document["manifests"][0]);
                json!({"schemaVersion": 2, "manifests": [only]})
            }
        };
        converted["mediaType"] = format!("{OCI}.index.v1+json").into();
        self.write(EMPTY_CONFIG);
        for entry in entries(&mut document) {
            if entry["plan"]["action"] == "index" {
                self.index_manifest(entry, &mut converted);
            }
        }
        document["converted"] = self.write_json(&format!("{OCI}.index.v1+json"), &converted);
        document["timing"]["index"] = json!({"seconds": 0.5, "bytes": 1, "reused": 0});
        document
    }

    /// Writes the SOCI indexes of one manifest, and enters the manifest that names one of them into
    /// the converted image.
    fn index_manifest(&self, entry: &mut Value, converted: &mut Value) {
        let mut ztocs = Vec::new();
        for layer in entry["layers"].as_array_mut().expect("layers") {
            let of = &layer["descriptor"];
            let stand_in = format!("the ztoc of {}\n", of["digest"]);
            let mut ztoc = self.write(stand_in.as_bytes());
            ztoc["annotations"] = json!({"com.amazon.soci.image-layer-digest": of["digest"],
                "com.amazon.soci.image-layer-mediaType": of["mediaType"],
                "com.amazon.soci.span-size": "4194304"});
            layer["ztoc"] = ztoc.clone();
            ztocs.push(ztoc);
        }
        let manifest_type = format!("{OCI}.manifest.v1+json");
        let index = |kind: &str| {
            let mut index = json!({"schemaVersion": 2, "mediaType": manifest_type,
                "config": descriptor(kind, EMPTY_CONFIG), "layers": ztocs,
                "annotations": {"com.amazon.soci.build-tool-identifier": self.build_tool_identifier}});
            if kind == SOCI_V1 {
                let subject = without(&without(&entry["descriptor"], "platform"), "annotations");
                index["subject"] = subject;
            }
            self.write_json(&manifest_type, &index)
        };
        let (v1, v2) = (index(SOCI_V1), index(SOCI_V2));
        let original = &entry["descriptor"];
        let mut manifest = self.read(original);
        manifest["mediaType"] = manifest_type.clone().into();
        manifest["config"]["mediaType"] = format!("{OCI}.config.v1+json").into();
        manifest["annotations"]["com.amazon.soci.index-digest"] = v2["digest"].clone();
        let mut image = self.write_json(&manifest_type, &manifest);
        image["annotations"] = manifest["annotations"].clone();
        image["platform"] = platform_of(entry);
        let mut listed = v2.clone();
        listed["annotations"] = json!({"com.amazon.soci.image-manifest-digest": image["digest"]});
        listed["platform"] = platform_of(entry);
        listed["artifactType"] = SOCI_V2.into();
        let children = converted["manifests"].as_array_mut().expect("manifests");
        for child in children.iter_mut() {
            if child["digest"] == original["digest"] {
                *child = image.clone();
            }
        }
        children.push(listed);
        entry["index"] = json!({"v1": v1, "v2": v2});
    }

    /// Copies a JSON blob from the source to the store and parses it.
    fn copy(&self, source: &(impl ImageSource + ?Sized), descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let bytes = source.content(digest);
        self.write_as(digest, &bytes);
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// Writes a blob to the store and returns its descriptor.
    fn write(&self, bytes: &[u8]) -> Value {
        let descriptor = descriptor("application/octet-stream", bytes);
        self.write_as(descriptor["digest"].as_str().expect("a digest"), bytes);
        descriptor
    }

    /// Writes a blob with a digest of any algorithm to the store.
    fn write_as(&self, digest: &str, bytes: &[u8]) {
        let (algorithm, hash) = digest.split_once(':').expect("a digest");
        let directory = self.sandbox.store().join("blobs").join(algorithm);
        fs::create_dir_all(&directory).expect("a writable sandbox");
        fs::write(directory.join(hash), bytes).expect("a writable sandbox");
    }

    fn write_json(&self, media_type: &str, value: &Value) -> Value {
        let mut descriptor = self.write(value.to_string().as_bytes());
        descriptor["mediaType"] = media_type.into();
        descriptor
    }

    /// Parses a blob of the store.
    fn read(&self, descriptor: &Value) -> Value {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let content = self.sandbox.store().content(digest);
        serde_json::from_slice(&content).expect("JSON")
    }
}

/// Returns the names of the tags that `soci-push` set, as a JSON array. Asserts that each has the
/// digest of the converted image, or else that of the image itself.
#[track_caller]
pub fn tag_names(document: &Value) -> Value {
    let converted = &document["converted"]["digest"];
    let tagged = match converted {
        Value::Null => &document["root"]["digest"],
        converted => converted,
    };
    let tags = document["push"]["tags"].as_array().expect("tags");
    let name = |tag: &Value| {
        assert_eq!(&tag["digest"], tagged, "{document}");
        tag["tag"].clone()
    };
    tags.iter().map(name).collect()
}

/// Removes the fields that say where ztocs come from, which depend on what existed before.
pub fn remove_reuse(document: &mut Value) {
    for entry in entries(document) {
        let layers = entry["layers"].as_array_mut();
        for layer in layers.into_iter().flatten() {
            let layer = layer.as_object_mut().expect("a layer");
            layer.remove("reused");
            layer.remove("reusedFrom");
        }
    }
}

fn line(document: &Value) -> Vec<u8> {
    format!("{document}\n").into_bytes()
}

fn entries(document: &mut Value) -> &mut Vec<Value> {
    document["manifests"].as_array_mut().expect("manifests")
}

fn platform_of(entry: &Value) -> Value {
    entry["platform"].clone()
}

/// Returns a platform as `os/architecture[/variant]`.
fn name_of(platform: &Value) -> String {
    let fields = ["os", "architecture", "variant"].into_iter();
    let fields: Vec<&str> = fields
        .filter_map(|field| platform[field].as_str())
        .collect();
    fields.join("/")
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": image::digest(bytes), "size": bytes.len()})
}

/// Returns an object without one of its fields.
fn without(object: &Value, field: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().expect("an object").remove(field);
    object
}
