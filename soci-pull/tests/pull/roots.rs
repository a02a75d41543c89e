//! Every kind of root: nested indexes, artifacts, and what an earlier run has made.

use serde_json::{Value, json};
use soci_testkit::{
    faulty::Faulty,
    image::digest,
    process::{Finished, Sandbox},
    store::assert_sound,
};

use crate::{assert_fails, soci_tool};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const SOCI_V2: &str = "application/vnd.amazon.soci.index.v2+json";
/// On a converted image manifest: the digest of its SOCI index.
const INDEX_DIGEST: &str = "com.amazon.soci.index-digest";

/// A registry whose repository `app` is filled manifest by manifest.
struct Repository {
    sandbox: Sandbox,
    registry: Faulty,
}

impl Repository {
    fn new() -> Self {
        Self {
            sandbox: Sandbox::new(),
            registry: Faulty::start(),
        }
    }

    /// Stores a manifest and returns its descriptor.
    fn put(&self, media_type: &str, content: &Value) -> Value {
        let bytes = content.to_string().into_bytes();
        let size = bytes.len();
        let digest = self.registry.put_manifest("app", media_type, bytes);
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }

    /// Stores a manifest with a configuration of this type and content. `fields` are added to it.
    fn put_manifest(&self, config_type: &str, config: &Value, fields: &Value) -> Value {
        let config = config.to_string();
        let size = config.len();
        let digest = self.registry.put_blob("app", config);
        let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": config_type, "digest": digest, "size": size}, "layers": []});
        for (name, value) in fields.as_object().expect("an object") {
            manifest[name] = value.clone();
        }
        self.put(MANIFEST, &manifest)
    }

    /// Stores an image of one layer, whose size in bytes makes it unique, and returns its entry for
    /// an index. `annotations` are those of the manifest.
    fn put_image(&self, architecture: &str, size: u64, annotations: &Value) -> Value {
        let platform = json!({"architecture": architecture, "os": "linux"});
        let layers = [layer(size)];
        let fields = json!({"layers": layers, "annotations": annotations});
        let mut entry = self.put_manifest(CONFIG, &platform, &fields);
        entry["platform"] = platform;
        entry
    }

    /// Stores a SOCI index of version 2 with a ztoc for each of the layers, and returns its entry
    /// for an index.
    fn put_soci_index(&self, layers: &[Value]) -> Value {
        let ztocs: Vec<Value> = layers
            .iter()
            .map(|layer| {
                json!({"mediaType": "application/octet-stream", "digest": layer["digest"],
                    "size": 1,
                    "annotations": {"com.amazon.soci.image-layer-digest": layer["digest"]}})
            })
            .collect();
        let mut entry = self.put_manifest(SOCI_V2, &json!({}), &json!({"layers": ztocs}));
        entry["artifactType"] = SOCI_V2.into();
        entry
    }

    fn put_index(&self, manifests: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.put(INDEX, &index)
    }

    fn pull(&self, root: &Value) -> Finished {
        let digest = root["digest"].as_str().expect("a digest");
        let reference = format!("{}/app@{digest}", self.registry.host());
        soci_tool(&self.sandbox).arg(reference).run()
    }

    /// Pulls an image, which must succeed, and returns the document.
    #[track_caller]
    fn pulled(&self, root: &Value) -> Value {
        let mut documents = self.pull(root).succeeds().documents();
        assert_eq!(documents.len(), 1, "{documents:?}");
        assert_sound(&self.sandbox.store());
        documents.remove(0)
    }
}

/// Returns the descriptor of a gzip layer, which need not exist.
fn layer(size: u64) -> Value {
    json!({"mediaType": GZIP, "digest": digest(&size.to_le_bytes()), "size": size})
}

/// Returns the digests of the descriptors in a list. `of` selects the descriptor of an entry.
fn digests(list: &Value, of: impl Fn(&Value) -> &Value) -> Vec<Value> {
    let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let digests = entries.iter().map(|entry| of(entry)["digest"].clone());
    digests.collect()
}

fn manifest_digests(document: &Value) -> Vec<Value> {
    digests(&document["manifests"], |entry| &entry["descriptor"])
}

#[test]
fn lists_the_manifests_of_nested_indexes_in_their_place() {
    let repository = Repository::new();
    let none = json!({});
    let images = [1, 2, 3].map(|size| repository.put_image("amd64", size, &none));
    let inner = repository.put_index(&images[1..2]);
    let outer = repository.put_index(&[inner.clone(), images[2].clone()]);
    // An index that is listed twice is read once.
    let root = [
        images[0].clone(),
        outer.clone(),
        inner.clone(),
        outer.clone(),
    ];
    let document = repository.pulled(&repository.put_index(&root));
    let expected: Vec<Value> = images.iter().map(|image| image["digest"].clone()).collect();
    assert_eq!(manifest_digests(&document), expected);
    assert_eq!(
        digests(&document["nestedIndexes"], |index| index),
        [outer["digest"].clone(), inner["digest"].clone()]
    );
    // A document of an earlier run puts the nested indexes into another store.
    let tool = soci_tool(&repository.sandbox).args(["--store", "other"]);
    tool.stdin(document.to_string()).run().succeeds();
    let other = repository.sandbox.path().join("other");
    let inner = inner["digest"].as_str().expect("a digest");
    assert!(other.join("blobs").join(inner.replace(':', "/")).exists());
}

#[test]
fn leaves_out_nested_indexes_of_other_platforms() {
    let repository = Repository::new();
    let mut nested = repository.put_index(&[repository.put_image("arm64", 1, &json!({}))]);
    nested["platform"] = json!({"architecture": "arm64", "os": "linux"});
    let image = repository.put_image("amd64", 2, &json!({}));
    let root = repository.put_index(&[nested.clone(), image.clone()]);
    let reference = format!(
        "{}/app@{}",
        repository.registry.host(),
        root["digest"].as_str().expect("a digest")
    );
    let tool = soci_tool(&repository.sandbox).args(["--platform", "linux/amd64", &reference]);
    let document = &tool.run().succeeds().documents()[0];
    assert_eq!(
        manifest_digests(document),
        [nested["digest"].clone(), image["digest"].clone()]
    );
    assert!(document.get("nestedIndexes").is_none(), "{document}");
}

#[test]
fn refuses_indexes_that_are_nested_too_deep() {
    let repository = Repository::new();
    let mut root = repository.put_image("amd64", 1, &json!({}));
    for _ in 0..9 {
        root = repository.put_index(&[root]);
    }
    let document = repository.pulled(&root);
    assert_eq!(digests(&document["nestedIndexes"], |index| index).len(), 8);
    let root = repository.put_index(&[root]);
    let says = ["nested 9 levels deep", "at most 8"];
    assert_fails(&repository.sandbox, repository.pull(&root), 65, &says);
}

#[test]
fn refuses_an_image_of_too_many_manifests() {
    let repository = Repository::new();
    let artifact = |seed: usize| {
        json!({"mediaType": "application/x", "size": seed,
        "digest": digest(&seed.to_le_bytes())})
    };
    let lists = [0..5000, 5000..10_001].map(|seeds| {
        let artifacts: Vec<Value> = seeds.map(artifact).collect();
        repository.put_index(&artifacts)
    });
    assert_eq!(manifest_digests(&repository.pulled(&lists[0])).len(), 5000);
    let root = repository.put_index(&lists);
    let says = ["more than 10000 manifests"];
    assert_fails(&repository.sandbox, repository.pull(&root), 65, &says);
}

#[test]
fn marks_nested_indexes_and_manifests_that_the_source_lacks() {
    let repository = Repository::new();
    let image = repository.put_image("amd64", 1, &json!({}));
    let absent = |media_type: &str| {
        json!({"mediaType": media_type, "size": 9,
        "digest": digest(media_type.as_bytes())})
    };
    let nested = repository.put_index(&[image, absent(MANIFEST)]);
    let document = repository.pulled(&repository.put_index(&[nested, absent(INDEX)]));
    let missing = document["manifests"].as_array().expect("manifests").iter();
    let missing: Vec<bool> = missing.map(|entry| entry["missing"] == true).collect();
    assert_eq!(missing, [false, true, true]);
}

#[test]
fn an_image_with_a_malformed_configuration_needs_another_one_beside_it() {
    let repository = Repository::new();
    let malformed = repository.put_manifest(CONFIG, &json!("none"), &json!({}));
    let alone = repository.put_index(std::slice::from_ref(&malformed));
    let says = ["configuration", "is malformed"];
    assert_fails(&repository.sandbox, repository.pull(&alone), 65, &says);
    let image = repository.put_image("amd64", 1, &json!({}));
    let both = repository.put_index(&[malformed, image]);
    let document = repository.pulled(&both);
    assert_eq!(document["manifests"][0]["config"], Value::Null);
    assert_ne!(document["manifests"][1]["config"], Value::Null);
}

#[test]
fn passes_on_what_is_no_image() {
    let repository = Repository::new();
    let helm = "application/vnd.cncf.helm.config.v1+json";
    let chart = repository.put_manifest(helm, &json!({}), &json!({}));
    let artifact = "application/vnd.oci.artifact.manifest.v1+json";
    let artifact = repository.put(artifact, &json!({"mediaType": artifact, "blobs": []}));
    let schema_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let schema_1 = repository.put(schema_1, &json!({"schemaVersion": 1, "fsLayers": []}));
    for root in [&chart, &artifact, &schema_1] {
        let document = repository.pulled(root);
        assert_eq!(manifest_digests(&document), [root["digest"].clone()]);
        assert_eq!(document["root"]["mediaType"], root["mediaType"]);
    }
    let empty = repository.pulled(&repository.put_index(&[]));
    assert!(manifest_digests(&empty).is_empty());
    let finished = repository.pull(&schema_1).succeeds();
    finished.says("warning: ").says("push").says("Docker");
}

/// Returns the SOCI index that the document enters for the manifest at a position.
fn soci_index(document: &Value, position: usize) -> &Value {
    &document["manifests"][position]["sociIndex"]["digest"]
}

#[test]
fn recognises_a_converted_image_by_the_soci_index_that_its_index_lists() {
    let repository = Repository::new();
    let soci = repository.put_soci_index(&[layer(1)]);
    let annotations = json!({INDEX_DIGEST: soci["digest"]});
    let converted = repository.put_image("amd64", 1, &annotations);
    let other = repository.put_image("arm64", 2, &json!({}));
    let list = [converted.clone(), other, soci.clone()];
    let document = repository.pulled(&repository.put_index(&list));
    assert_eq!(*soci_index(&document, 0), soci["digest"]);
    assert!(soci_index(&document, 1).is_null());
    // The same in a nested index.
    let nested = repository.put_index(&list);
    let document = repository.pulled(&repository.put_index(&[nested]));
    assert_eq!(*soci_index(&document, 0), soci["digest"]);
    // A builder has copied the annotation, or another tool has removed the SOCI index.
    let document = repository.pulled(&repository.put_index(std::slice::from_ref(&converted)));
    assert!(soci_index(&document, 0).is_null());
    let outside = repository.put_index(std::slice::from_ref(&converted));
    let document = repository.pulled(&repository.put_index(&[outside, soci.clone()]));
    assert!(soci_index(&document, 0).is_null());
    // The SOCI index was deleted.
    repository
        .registry
        .remove(soci["digest"].as_str().expect("a digest"));
    let document = repository.pulled(&repository.put_index(&list));
    assert!(soci_index(&document, 0).is_null());
}

#[test]
fn recognises_a_converted_manifest_by_the_soci_index_that_it_names() {
    let repository = Repository::new();
    let soci = repository.put_soci_index(&[layer(1)]);
    let annotations = json!({INDEX_DIGEST: soci["digest"]});
    let converted = repository.put_image("amd64", 1, &annotations);
    let document = repository.pulled(&converted);
    assert_eq!(*soci_index(&document, 0), soci["digest"]);
    // The annotation is that of the base image: no ztoc is for a layer of this image.
    let derived = repository.put_image("amd64", 2, &annotations);
    assert!(soci_index(&repository.pulled(&derived), 0).is_null());
    let annotations = json!({INDEX_DIGEST: digest(b"absent")});
    let elsewhere = repository.put_image("amd64", 1, &annotations);
    assert!(soci_index(&repository.pulled(&elsewhere), 0).is_null());
}
