//! Reads back what is in a repository or layout, by skopeo and plain requests instead of the tools'
//! own client.

use serde_json::{Value, json};
use soci_testkit::{
    image,
    process::{Finished, Sandbox},
    registry::Registry,
};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const SOCI_V1: &str = "application/vnd.amazon.soci.index.v1+json";
pub(crate) const SOCI_V2: &str = "application/vnd.amazon.soci.index.v2+json";
/// On a converted image manifest: the digest of its SOCI index.
pub(crate) const INDEX_DIGEST: &str = "com.amazon.soci.index-digest";
/// On the entry of a SOCI index in an image index: the digest of its image manifest.
pub(crate) const IMAGE_DIGEST: &str = "com.amazon.soci.image-manifest-digest";

/// Where blobs and manifests are read from.
pub(crate) trait BlobSource {
    /// Returns a manifest or blob, and asserts its digest.
    fn bytes(&self, descriptor: &Value) -> Vec<u8>;

    /// Returns the SOCI indexes of version 1 that refer to a manifest.
    fn referrers(&self, subject: &Value) -> Vec<Value>;

    /// Returns a manifest or index, and asserts its digest.
    fn json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(&self.bytes(descriptor)).expect("JSON")
    }
}

/// A repository of a registry without TLS.
pub(crate) struct Repository<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) name: &'a str,
}

impl Repository<'_> {
    /// Returns the bytes of what a tag names, by skopeo.
    #[track_caller]
    pub(crate) fn raw(&self, tag: &str) -> Vec<u8> {
        let sandbox = Sandbox::new();
        let reference = format!("docker://{}/{}:{tag}", self.registry.host(), self.name);
        let inspect = ["inspect", "--raw", "--tls-verify=false", &reference];
        skopeo(&sandbox, &inspect).succeeds().stdout
    }

    /// Returns what a tag names, by skopeo.
    #[track_caller]
    pub(crate) fn tag(&self, tag: &str) -> Value {
        serde_json::from_slice(&self.raw(tag)).expect("JSON")
    }

    /// Copies everything that a tag names with skopeo, which checks the digest of each. Skopeo 1.9
    /// does not know `artifactType` and writes the index itself anew.
    #[track_caller]
    pub(crate) fn can_be_copied(&self, tag: &str) {
        let sandbox = Sandbox::new();
        let source = format!("docker://{}/{}:{tag}", self.registry.host(), self.name);
        let target = format!("oci:{}", sandbox.path().join("copy").display());
        let copy = ["copy", "--all", "--src-tls-verify=false"];
        skopeo(&sandbox, &[&copy[..], &[&source, &target]].concat()).succeeds();
    }

    /// Returns the tags.
    pub(crate) fn tags(&self) -> Vec<String> {
        let path = format!("/v2/{}/tags/list", self.name);
        let answer = self.registry.get(&path, &[]).expect("a registry that runs");
        if answer.status == 404 {
            return Vec::new();
        }
        let mut tags: Vec<String> =
            serde_json::from_value(answer.json()["tags"].clone()).unwrap_or_default();
        tags.sort();
        tags
    }
}

impl BlobSource for Repository<'_> {
    #[track_caller]
    fn bytes(&self, descriptor: &Value) -> Vec<u8> {
        let digest = text(&descriptor["digest"]);
        let media_type = text(&descriptor["mediaType"]);
        let is_manifest = media_type.contains("manifest") || media_type == OCI_INDEX;
        let answer = if is_manifest {
            self.registry.manifest(self.name, digest)
        } else {
            let path = format!("/v2/{}/blobs/{digest}", self.name);
            self.registry.get(&path, &[]).expect("a registry that runs")
        };
        assert_eq!(answer.status, 200, "{digest} of {}", self.name);
        checked(answer.body, descriptor)
    }

    #[track_caller]
    fn referrers(&self, subject: &Value) -> Vec<Value> {
        let digest = text(&subject["digest"]);
        let path = format!("/v2/{}/referrers/{digest}", self.name);
        let api = self.registry.get(&path, &[]).expect("a registry that runs");
        let list = if api.status == 200 {
            api.json()
        } else {
            let tag = self.registry.manifest(self.name, &digest.replace(':', "-"));
            if tag.status == 404 {
                return Vec::new();
            }
            assert_eq!(tag.header("content-type"), Some(OCI_INDEX));
            tag.json()
        };
        let entries = list["manifests"].as_array().cloned().unwrap_or_default();
        let ours = |entry: &Value| entry["artifactType"] == SOCI_V1;
        entries.into_iter().filter(ours).collect()
    }
}

/// An OCI image layout.
pub(crate) struct Layout<'a>(pub(crate) &'a std::path::Path);

impl Layout<'_> {
    /// Returns the descriptor with a name.
    #[track_caller]
    pub(crate) fn named(&self, name: &str) -> Value {
        let named =
            |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == name;
        let entries = self.entries();
        let found = entries.iter().find(named);
        found
            .unwrap_or_else(|| panic!("no `{name}` in {entries:?}"))
            .clone()
    }

    /// Returns the entries of `index.json`.
    pub(crate) fn entries(&self) -> Vec<Value> {
        let bytes = std::fs::read(self.0.join("index.json")).expect("a layout");
        let index: Value = serde_json::from_slice(&bytes).expect("JSON");
        index["manifests"].as_array().expect("entries").clone()
    }
}

impl BlobSource for Layout<'_> {
    #[track_caller]
    fn bytes(&self, descriptor: &Value) -> Vec<u8> {
        let path = crate::stages::blob_file(self.0, &descriptor["digest"]);
        let bytes = std::fs::read(&path);
        let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        checked(bytes, descriptor)
    }

    fn referrers(&self, subject: &Value) -> Vec<Value> {
        let mut entries = self.entries();
        entries.retain(|entry| {
            entry["artifactType"] == SOCI_V1
                && self.json(entry)["subject"]["digest"] == subject["digest"]
        });
        entries
    }
}

/// Runs skopeo.
pub(crate) fn skopeo(sandbox: &Sandbox, arguments: &[&str]) -> Finished {
    let skopeo = sandbox.program("skopeo").arg("--insecure-policy");
    skopeo.args(arguments).run()
}

/// Asserts that every index that a pushed document names is in `source`, in the exact form and with
/// all its blobs. `converted` is what the tag of the converted image names.
#[track_caller]
pub(crate) fn assert_pushed(source: &impl BlobSource, document: &Value, converted: Option<&Value>) {
    let mut planned = 0;
    for entry in array(&document["manifests"]) {
        if entry["plan"]["action"] != "index" {
            assert!(entry.get("index").is_none(), "{entry}");
            continue;
        }
        planned += 1;
        let index = &entry["index"];
        if let Some(v1) = index.get("v1") {
            assert_version_1(source, entry, v1);
        }
        if let Some(v2) = index.get("v2") {
            let converted = converted.expect("a converted image is pushed for version 2");
            assert_version_2(source, entry, v2, converted);
        }
    }
    assert!(planned > 0, "nothing was planned in {document}");
}

fn assert_version_1(source: &impl BlobSource, entry: &Value, v1: &Value) {
    let descriptor = &entry["descriptor"];
    let found = source.referrers(descriptor);
    assert_eq!(found.len(), 1, "referrers of {descriptor}: {found:?}");
    assert_eq!(found[0]["digest"], v1["digest"]);
    assert_eq!(found[0]["size"], v1["size"]);
    assert_eq!(found[0]["mediaType"], OCI_MANIFEST);
    let mut expected = soci_index(entry, SOCI_V1);
    expected["subject"] = json!({"mediaType": descriptor["mediaType"],
        "digest": descriptor["digest"], "size": descriptor["size"]});
    assert_soci_index(source, v1, &expected);
}

fn assert_version_2(source: &impl BlobSource, entry: &Value, v2: &Value, converted: &Value) {
    let children = array(&converted["manifests"]);
    let named = |key: &str, digest: &Value| {
        let matches = |child: &&Value| child["annotations"][key] == *digest;
        let found: Vec<&Value> = children.iter().filter(matches).collect();
        assert_eq!(found.len(), 1, "entries with {key} {digest} in {converted}");
        found[0].clone()
    };
    // The image's entry names the index, and the index's entry names the image.
    let image = named(INDEX_DIGEST, &v2["digest"]);
    let index = named(IMAGE_DIGEST, &image["digest"]);
    assert_eq!(index["digest"], v2["digest"]);
    assert_eq!(index["artifactType"], SOCI_V2);
    assert_eq!(index["platform"], image["platform"]);
    // The manifest itself names the index, too, and is otherwise the original one.
    let manifest = source.json(&image);
    assert_eq!(manifest["annotations"][INDEX_DIGEST], v2["digest"]);
    assert_eq!(manifest["mediaType"], OCI_MANIFEST);
    let layers = array(&entry["layers"])
        .iter()
        .map(|layer| &layer["descriptor"]);
    assert!(layers.eq(array(&manifest["layers"])), "{manifest}");
    assert_eq!(manifest["config"]["digest"], entry["config"]["digest"]);
    assert_soci_index(source, v2, &soci_index(entry, SOCI_V2));
}

/// Returns the SOCI index that a manifest of a document must have, without a subject.
fn soci_index(entry: &Value, kind: &str) -> Value {
    let layers = array(&entry["layers"]).iter();
    let ztocs =
        layers.filter(|layer| layer["plan"]["action"] == "index" && !layer["ztoc"].is_null());
    let ztocs: Vec<Value> = ztocs
        .map(|layer| {
            json!({"mediaType": "application/octet-stream", "digest": layer["ztoc"]["digest"],
                "size": layer["ztoc"]["size"],
                "annotations": {
                    "com.amazon.soci.image-layer-digest": layer["descriptor"]["digest"],
                    "com.amazon.soci.image-layer-mediaType": layer["descriptor"]["mediaType"],
                    "com.amazon.soci.span-size": "4194304"}})
        })
        .collect();
    json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": kind, "digest": image::digest(b"{}"), "size": 2},
        "layers": ztocs,
        "annotations": {"com.amazon.soci.build-tool-identifier": concat!("soci-index ", env!("CARGO_PKG_VERSION"))}})
}

/// Asserts that a SOCI index is in a repository or layout, in the exact form and with its
/// configuration and ztocs.
fn assert_soci_index(source: &impl BlobSource, descriptor: &Value, expected: &Value) {
    let index = source.json(descriptor);
    assert_eq!(index, *expected);
    assert_eq!(source.bytes(&index["config"]), b"{}");
    for ztoc in array(&index["layers"]) {
        let decoded = soci_ztoc::Ztoc::decode(&source.bytes(ztoc));
        assert!(decoded.is_ok(), "{ztoc}: {decoded:?}");
    }
}

/// Asserts that bytes have the digest and the size of a descriptor.
#[track_caller]
fn checked(bytes: Vec<u8>, descriptor: &Value) -> Vec<u8> {
    assert_eq!(image::digest(&bytes), text(&descriptor["digest"]));
    assert_eq!(Some(bytes.len() as u64), descriptor["size"].as_u64());
    bytes
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
