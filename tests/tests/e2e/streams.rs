//! Documents that users keep in files, edit and extend, and that are checked against the schema.

use std::fs;

use serde_json::{Value, json};
use soci_testkit::{
    image::{self, Image, Layer},
    process::Sandbox,
    workspace,
};

use crate::read_back::{BlobSource as _, Layout, array, assert_pushed};
use crate::stages::{blob_file, blob_json, layer, layers, only_document, planned, stage};

/// Returns a sandbox with a layout `image` of two platforms and three layers.
fn sandbox_with_image() -> Sandbox {
    let sandbox = Sandbox::new();
    let base = layer(1, 20_000);
    let amd64 = Image::new("linux/amd64")
        .layer(base.clone())
        .layer(layer(2, 3000))
        .attested();
    let arm64 = Image::new("linux/arm64")
        .layer(base)
        .layer(Layer::zstd(&[("app", b"zstd")]));
    image::write_layout(&sandbox.path().join("image"), &[amd64, arm64]);
    sandbox
}

/// Runs one stage on a line and returns its output.
#[track_caller]
fn run_stage(sandbox: &Sandbox, name: &str, line: Vec<u8>) -> Vec<u8> {
    stage(sandbox, name).stdin(line).run().succeeds().stdout
}

/// Returns the document of a line.
fn parse_document(line: &[u8]) -> Value {
    let text = str::from_utf8(line).expect("text");
    assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
    assert!(text.ends_with('\n'));
    serde_json::from_str(text).expect("JSON")
}

/// Edits a line with jq.
#[track_caller]
fn jq(sandbox: &Sandbox, filter: &str, line: Vec<u8>) -> Vec<u8> {
    let jq = sandbox.program("jq").args(["-c", filter]);
    jq.stdin(line).run().succeeds().stdout
}

/// H3: unknown fields are kept by every stage, at every level.
#[test]
fn keeps_unknown_fields_in_all_stages() {
    let sandbox = sandbox_with_image();
    let pulled = stage(&sandbox, "soci-pull")
        .arg("oci:image:latest")
        .run()
        .succeeds()
        .stdout;
    let mine = json!({"ticket": 42, "nested": [null, {"x": 1.5}], "ä": "ö\u{1F600}"});
    let extend = format!("(.mine, .manifests[].mine, .manifests[].layers[].mine) = {mine}");
    let pulled = jq(&sandbox, &extend, pulled);
    let planned = run_stage(&sandbox, "soci-plan", pulled);
    let planned = jq(&sandbox, &format!(".plan.mine = {mine}"), planned);
    let indexed = run_stage(&sandbox, "soci-index", planned);
    let pushed = parse_document(&run_stage(&sandbox, "soci-push", indexed));
    assert_eq!(pushed["mine"], mine);
    assert_eq!(pushed["plan"]["mine"], mine);
    let manifests = array(&pushed["manifests"]);
    assert!(
        manifests.iter().all(|manifest| manifest["mine"] == mine),
        "{pushed}"
    );
    let layers = layers(&pushed);
    assert!(
        layers.len() >= 4 && layers.iter().all(|layer| layer["mine"] == mine),
        "{pushed}"
    );
}

#[test]
fn skips_a_layer_that_the_user_excluded() {
    let sandbox = sandbox_with_image();
    let plan = planned(&sandbox, "oci:image:latest");
    let exclude = r#".manifests[0].layers[0].plan = {"action": "skip", "reason": "excluded"}"#;
    let edited = jq(&sandbox, exclude, plan);
    let indexed = run_stage(&sandbox, "soci-index", edited);
    let pushed = parse_document(&run_stage(&sandbox, "soci-push", indexed));
    let excluded = &pushed["manifests"][0]["layers"][0];
    assert_eq!(excluded["plan"]["reason"], "excluded");
    assert!(excluded.get("ztoc").is_none(), "{excluded}");
    let folder = sandbox.path().join("image");
    let layout = Layout(&folder);
    let converted = layout.json(&layout.named("latest-soci"));
    assert_pushed(&layout, &pushed, Some(&converted));
    let index = &pushed["manifests"][0]["index"]["v2"]["digest"];
    assert_eq!(array(&blob_json(&folder, index)["layers"]).len(), 1);
}

#[test]
fn skips_a_platform_that_the_user_excluded() {
    let sandbox = sandbox_with_image();
    let pulled = stage(&sandbox, "soci-pull")
        .arg("oci:image:latest")
        .run()
        .succeeds()
        .stdout;
    let plan = stage(&sandbox, "soci-plan")
        .arg("--all-platforms")
        .stdin(pulled)
        .run()
        .succeeds();
    let skip = r#"(.manifests[] | select(.descriptor.platform.architecture == "arm64") | .plan)
        = {"action": "skip", "reason": "platform"}"#;
    let indexed = parse_document(&run_stage(
        &sandbox,
        "soci-index",
        jq(&sandbox, skip, plan.stdout),
    ));
    let with_index = |entry: &&Value| entry["index"]["v1"].is_object();
    let found: Vec<&Value> = array(&indexed["manifests"])
        .iter()
        .filter(with_index)
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["descriptor"]["platform"]["architecture"], "amd64");
}

#[test]
fn indexes_pulled_layers_without_their_source() {
    let sandbox = sandbox_with_image();
    let plan = planned(&sandbox, "oci:image:latest");
    let expected = parse_document(&run_stage(&sandbox, "soci-index", plan.clone()));
    let elsewhere = Sandbox::new();
    let folder = sandbox.path().join("image");
    let reference = format!("oci:{}:latest", folder.display());
    let pulled = stage(&elsewhere, "soci-pull")
        .arg(reference)
        .run()
        .succeeds()
        .stdout;
    let plan = run_stage(&elsewhere, "soci-plan", pulled);
    let pull = stage(&elsewhere, "soci-pull").arg("--layers").stdin(plan);
    let pulled = pull.run().succeeds();
    let document = parse_document(&pulled.stdout);
    for layer in layers(&document) {
        // Only the planned layers of a planned document are stored.
        let stored = blob_file(&elsewhere.store(), &layer["descriptor"]["digest"]).is_file();
        let wanted = layers(&document).iter().any(|other| {
            other["plan"]["action"] == "index"
                && other["descriptor"]["digest"] == layer["descriptor"]["digest"]
        });
        assert_eq!(stored, wanted, "{layer}");
    }
    fs::remove_dir_all(&folder).unwrap();
    let indexed = parse_document(&run_stage(&elsewhere, "soci-index", pulled.stdout));
    assert_eq!(indexed["converted"], expected["converted"]);
    assert_eq!(indexed["manifests"], expected["manifests"]);
}

#[test]
fn a_stage_writes_the_same_from_a_file_and_a_pipe() {
    let sandbox = sandbox_with_image();
    let pulled = stage(&sandbox, "soci-pull")
        .arg("oci:image:latest")
        .run()
        .succeeds()
        .stdout;
    let file = sandbox.write("image.json", &pulled);
    let plan = format!(
        "'{}' < '{}'",
        workspace::bin("soci-plan").display(),
        file.display()
    );
    let shell = sandbox
        .program("sh")
        .args(["-c", &plan])
        .env("SOCI_MIN_LAYER_SIZE", "0");
    let from_file = shell.run().succeeds().stdout;
    assert_eq!(from_file, run_stage(&sandbox, "soci-plan", pulled));
    // A planned document is planned anew, as if it had no plan.
    assert_eq!(
        run_stage(&sandbox, "soci-plan", from_file.clone()),
        from_file
    );
}

fn schema() -> jsonschema::Validator {
    let schema = fs::read_to_string(workspace::root().join("docs/document.schema.json"))
        .expect("the schema");
    jsonschema::validator_for(&serde_json::from_str(&schema).expect("JSON")).expect("a schema")
}

#[track_caller]
fn assert_valid(schema: &jsonschema::Validator, document: &Value) {
    let errors: Vec<String> = schema
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {document}");
}

#[test]
fn the_documents_of_every_stage_match_the_schema() {
    let schema = schema();
    for plan in [
        &["--all-platforms"][..],
        &["--min-layer-size", "10MiB"],
        &["--index-version", "v1", "--reuse-from", "oci:image:latest"],
        &[
            "--xattr-optimization",
            "--prefetch-file",
            "/etc/name",
            "--platform",
            "linux/arm64",
        ],
    ] {
        let sandbox = sandbox_with_image();
        let mut line = stage(&sandbox, "soci-pull")
            .arg("oci:image:latest")
            .run()
            .succeeds()
            .stdout;
        assert_valid(&schema, &parse_document(&line));
        for (name, arguments) in [("soci-plan", plan), ("soci-index", &[]), ("soci-push", &[])] {
            let ended = stage(&sandbox, name).args(arguments).stdin(line).run();
            line = ended.succeeds().stdout;
            assert_valid(&schema, &parse_document(&line));
        }
        assert!(only_document(vec![parse_document(&line)])["push"].is_object());
    }
}

#[test]
fn the_documents_in_the_pages_match_the_schema() {
    let schema = schema();
    let pages = ["docs/document.md", "docs/pipes.md"].map(|page| {
        fs::read_to_string(workspace::root().join(page))
            .unwrap_or_else(|error| panic!("{page}: {error}"))
    });
    let text = pages.concat();
    let blocks = text
        .split("```json")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let mut seen = false;
    for block in blocks {
        let value: Value =
            serde_json::from_str(block).unwrap_or_else(|error| panic!("{error} in {block}"));
        assert_valid(&schema, &value);
        seen = true;
    }
    assert!(seen, "the pages show no document");
}
