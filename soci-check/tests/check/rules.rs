//! Rules for which more than one tag, or a document, is needed: each is broken, and found by name.

use serde_json::{Value, json};
use soci_testkit::faulty::{Fault, Faulty, Rule};
use soci_testkit::image::digest;
use soci_testkit::process::Finished;

use crate::{Golden, rules, soci_tool, text};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry with the image `app:v1`, its SOCI index of version 1, and the converted image
/// `app:v1-soci`.
struct Pushed {
    golden: Golden,
    registry: Faulty,
}

impl Pushed {
    fn new() -> Self {
        let golden = Golden::new();
        let registry = Faulty::start();
        golden.push_version_1(&registry);
        golden.push_converted(&registry);
        Self { golden, registry }
    }

    fn reference(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.registry.host())
    }

    /// Returns the manifest or index under a tag or a digest, with its descriptor.
    fn manifest(&self, reference: &str) -> (Value, Value) {
        let found = self.registry.manifest("app", reference);
        let found = found.expect("a manifest");
        let descriptor = json!({"mediaType": found.media_type,
            "digest": found.digest, "size": found.bytes().len()});
        let content = serde_json::from_slice(found.bytes()).expect("JSON");
        (content, descriptor)
    }

    /// Adds a manifest or index under a tag, and returns its descriptor.
    fn put(&self, tag: Option<&str>, content: &Value) -> Value {
        let media_type = text(&content["mediaType"]);
        let bytes = content.to_string();
        let digest = self.registry.put_manifest("app", media_type, bytes.clone());
        if let Some(tag) = tag {
            self.registry.tag("app", tag, &digest);
        }
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Returns the document of `soci-push` for the image.
    fn document(&self) -> Value {
        let tool = soci_tool(&self.golden.sandbox).arg("--fast");
        let finished = tool.arg(self.reference("v1")).run().succeeds();
        let mut document = finished.documents().remove(0);
        let converted = self.manifest("v1-soci").1;
        document["push"] = json!({"repository": format!("{}/app", self.registry.host()),
            "tags": [{"tag": self.reference("v1-soci"), "digest": converted["digest"]}],
            "indexes": [], "referrers": "api", "uploaded": 1, "existing": 0, "bytes": 1});
        let soci_index = std::fs::read(self.golden.folder.join("v1/soci-index.json"));
        let soci_index = soci_index.expect("a SOCI index");
        document["manifests"][0]["index"] = json!({"v1": {"mediaType": OCI_MANIFEST,
            "digest": digest(&soci_index), "size": soci_index.len()}});
        document["converted"] = converted;
        document
    }

    fn check(&self, document: &Value) -> Finished {
        let tool = soci_tool(&self.golden.sandbox).arg("--fast");
        tool.stdin(document.to_string()).run()
    }

    /// Checks a document, and asserts that it breaks a rule, which is an error.
    #[track_caller]
    fn assert_error(&self, document: &Value, rule: &str) {
        let finished = self.check(document).ends_with(1);
        let documents = finished.documents();
        assert!(
            rules(&documents[0]).contains(&("error", rule)),
            "{rule}: {:?}",
            documents[0]
        );
    }
}

#[test]
fn a_sound_push_breaks_no_rule() {
    let pushed = Pushed::new();
    let finished = pushed.check(&pushed.document()).succeeds();
    let document = &finished.documents()[0];
    let found = rules(document);
    assert!(
        found.iter().all(|(severity, _)| *severity != "error"),
        "{found:?}"
    );
    let indexes = document["check"]["manifests"].to_string();
    assert!(indexes.contains("\"v1\"") && indexes.contains("\"v2\""));
}

#[test]
fn a_tag_that_does_not_exist_is_found() {
    let pushed = Pushed::new();
    let mut document = pushed.document();
    document["push"]["tags"][0]["tag"] = pushed.reference("v2-soci").into();
    pushed.assert_error(&document, "tag-missing");
}

/// Whether the tag exists is not known, so that the check fails as a whole.
#[test]
fn a_tag_that_the_registry_refuses_to_show_is_no_finding() {
    let pushed = Pushed::new();
    let document = pushed.document();
    let refused = Fault::error(403, "DENIED", "no");
    let rule = Rule::on("*", "/v2/app/manifests/v1-soci", refused);
    pushed.registry.rule(rule);
    let finished = pushed.check(&document).ends_with(77);
    assert!(finished.documents()[0].get("check").is_none());
}

/// The registry has the SOCI index, but not in its list of referrers, as after a lost update of the
/// fallback tag.
#[test]
fn a_soci_index_that_the_registry_does_not_list_is_found() {
    let golden = Golden::new();
    let registry = Faulty::setup().without_referrers().start();
    golden.push_version_1(&registry);
    golden.push_converted(&registry);
    let pushed = Pushed { golden, registry };
    pushed.assert_error(&pushed.document(), "version-1-not-listed");
}

/// What `soci-index` converted is known, so that each difference is an error.
#[test]
fn a_converted_image_that_differs_from_its_original_is_found() {
    let changes: [fn(&mut Value); 4] = [
        |manifest| manifest["annotations"]["mine"] = "changed".into(),
        |manifest| drop(manifest["layers"].as_array_mut().expect("layers").pop()),
        |manifest| manifest["config"]["size"] = 1.into(),
        |manifest| manifest["artifactType"] = "a/b".into(),
    ];
    for change in changes {
        let pushed = Pushed::new();
        let mut document = pushed.document();
        let (mut root, _) = pushed.manifest("v1-soci");
        let entry = root["manifests"][0].clone();
        let (mut manifest, _) = pushed.manifest(text(&entry["digest"]));
        change(&mut manifest);
        let other = pushed.put(None, &manifest);
        root["manifests"][0]["digest"] = other["digest"].clone();
        root["manifests"][0]["size"] = other["size"].clone();
        let converted = pushed.put(Some("v1-soci"), &root);
        document["push"]["tags"][0]["digest"] = converted["digest"].clone();
        document["converted"] = converted;
        pushed.assert_error(&document, "converted-differs");
    }
}

/// A platform, and an attestation, that the converted image does not have.
#[test]
fn a_converted_image_without_a_manifest_of_its_original_is_found() {
    let attestation = json!({"mediaType": OCI_MANIFEST, "size": 2, "digest": digest(b"{}"),
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}});
    let platform = |manifest: &Value| {
        let mut entry = manifest.clone();
        entry["platform"] = json!({"os": "linux", "architecture": "arm64"});
        entry
    };
    // The SOCI index of the converted image has a platform too, but stands for no attestation.
    let of_a_platform = {
        let mut entry = platform(&attestation);
        entry["platform"]["architecture"] = "amd64".into();
        entry
    };
    for lost in [attestation, of_a_platform, Value::Null] {
        let pushed = Pushed::new();
        let mut document = pushed.document();
        let (mut manifest, mut own) = pushed.manifest("v1");
        own["platform"] = json!({"os": "linux", "architecture": "amd64"});
        manifest["annotations"]["other"] = "platform".into();
        let other = platform(&pushed.put(None, &manifest));
        let lost = if lost.is_null() { other } else { lost };
        let root = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [own, lost]});
        document["root"] = pushed.put(Some("v1"), &root);
        pushed.assert_error(&document, "converted-lacks-manifest");
    }
}

/// The digest of a layer is compared with its bytes, which `--fast` does not read.
#[test]
fn a_damaged_layer_is_found() {
    let pushed = Pushed::new();
    let (manifest, _) = pushed.manifest("v1");
    let layer = text(&manifest["layers"][0]["digest"]);
    pushed.registry.corrupt(layer, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let check = || soci_tool(&pushed.golden.sandbox).arg(pushed.reference("v1-soci"));
    check().arg("--fast").run().succeeds();
    check().run().ends_with(1).says("layer-damaged");
}

/// Whether Fargate loads the image depends on the registry to which a layout is pushed.
#[test]
fn an_image_in_a_layout_is_a_note() {
    let golden = Golden::new();
    let layout = format!("oci:{}", golden.folder.join("v2").display());
    let finished = soci_tool(&golden.sandbox).arg(layout).run().succeeds();
    let document = &finished.documents()[0];
    assert!(rules(document).contains(&("note", "not-in-registry")));
}
