//! Documents that are longer than they may be, nested deep, or full of values.

use serde_json::{Value, json};
use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Rule, registry_with_layers},
    process::Sandbox,
};

use super::{
    CONFIG, GZIP, INDEX, LIMIT, MANIFEST, MANIFESTS, bearer, index_of, layer, manifest_of, pull,
    registry_with,
};
use crate::{assert_fails, soci_tool};

/// More bytes than the buffers of a connection hold that the client does not read any more.
const BUFFERED: usize = 32 << 20;

/// C9: a manifest is not read beyond the size that its descriptor tells.
#[test]
fn reads_no_more_of_a_manifest_than_its_descriptor_tells() {
    let registry = Faulty::start();
    let manifest = manifest_of(&registry, &[layer(1, GZIP)]);
    let mut entry = json!({"mediaType": MANIFEST, "size": manifest.len(),
        "digest": registry.put_manifest("app", MANIFEST, manifest)});
    let long = Fault::edit(|_, reply| reply.extend(BUFFERED * 4).without_length());
    let path = format!(
        "*/manifests/{}",
        entry["digest"].as_str().expect("a digest")
    );
    for size in [entry["size"].clone(), 10.into(), 5000.into()] {
        let is_true = entry["size"] == size;
        entry["size"] = size;
        let index = index_of(&[entry.clone()]);
        let digest = registry.put_manifest("app", INDEX, index);
        registry.tag("app", "v1", &digest);
        registry.clear_rules();
        registry.clear_requests();
        if is_true {
            registry.fault("GET", &path, long.clone());
        }
        let sandbox = Sandbox::new();
        let says = ["bytes, found"];
        assert_fails(&sandbox, pull(&sandbox, &registry), 65, &says);
        assert_eq!(registry.count("GET", &path), 2, "{}", registry.log());
        assert!(registry.bytes_sent("GET", &path) < BUFFERED);
    }
}

/// J1: documents above their limit are not read to their end.
#[test]
fn reads_no_document_beyond_its_limit() {
    let endless =
        |kind: &str| Fault::reply(Reply::new(200).header("Content-Type", kind).endless(b' '));
    for (setup, glob, kind, code) in [
        (Faulty::setup(), MANIFESTS, INDEX, 65),
        (bearer(), "/token*", "application/json", 76),
    ] {
        let registry =
            registry_with_layers(setup.rule(Rule::on("GET", glob, endless(kind))), &[3000]);
        let sandbox = Sandbox::new();
        assert_fails(&sandbox, pull(&sandbox, &registry), code, &["large"]);
        assert!(
            registry.bytes_sent("GET", glob) < BUFFERED,
            "{}",
            registry.log()
        );
    }
}

/// J8: documents of any kind that are nested deep are refused.
#[test]
fn refuses_deep_nesting_in_documents() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","layers":{deep}}}"#);
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":{deep}}}"#);
    for (kind, content) in [(MANIFEST, manifest), (INDEX, index), (INDEX, deep.clone())] {
        let registry = registry_with(kind, &content);
        let sandbox = Sandbox::new();
        assert_fails(&sandbox, pull(&sandbox, &registry), 65, &["manifest"]);
    }
    let registry = registry_with_config(format!(
        r#"{{"architecture":"amd64","os":"linux","x":{deep}}}"#
    ));
    let sandbox = Sandbox::new();
    assert_fails(&sandbox, pull(&sandbox, &registry), 65, &["configuration"]);
    for (setup, glob, reply, code) in [
        (
            bearer(),
            "/token*",
            Reply::new(200).body(format!(r#"{{"x":{deep}}}"#)),
            76,
        ),
        (
            Faulty::setup(),
            MANIFESTS,
            Reply::new(418).body(deep.clone()),
            76,
        ),
    ] {
        let rule = Rule::on("GET", glob, Fault::reply(reply));
        let registry = registry_with_layers(setup.rule(rule), &[3000]);
        let sandbox = Sandbox::new();
        pull(&sandbox, &registry)
            .ends_with(code)
            .writes_only_its_failure();
    }
}

/// Starts a registry with the image `app:v1`, which has this configuration and no layers.
fn registry_with_config(config: String) -> Faulty {
    let registry = Faulty::start();
    let size = config.len();
    let config = registry.put_blob("app", config);
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": {"mediaType": CONFIG, "digest": config, "size": size}});
    let digest = registry.put_manifest("app", MANIFEST, manifest.to_string());
    registry.tag("app", "v1", &digest);
    registry
}

/// J8: a configuration of millions of values takes little more memory than its bytes.
#[test]
fn reads_over_the_values_of_a_configuration() {
    let values = "0,".repeat(LIMIT / 2 - 100);
    let config = format!(r#"{{"x":[{values}0],"architecture":"amd64","os":"linux"}}"#);
    assert!(config.len() <= LIMIT);
    let registry = registry_with_config(config);
    let sandbox = Sandbox::new();
    let tool = soci_tool(&sandbox).arg(format!("{}/app:v1", registry.host()));
    // A value of each number would take 64 MiB and more.
    let documents = tool.memory(64 << 20).run().succeeds().documents();
    assert_eq!(
        documents[0]["manifests"][0]["platform"]["architecture"],
        "amd64"
    );
}

/// J3: as many layers or annotations as a manifest can hold are read.
#[test]
fn reads_a_manifest_full_of_layers_or_annotations() {
    let registry = Faulty::start();
    let layers: Vec<Value> = (0..25_000).map(|seed| layer(seed, GZIP)).collect();
    let mut manifest: Value =
        serde_json::from_str(&manifest_of(&registry, &layers)).expect("a manifest");
    let full = manifest.to_string();
    assert!((3 << 20..LIMIT).contains(&full.len()), "{}", full.len());
    let names = (0..150_000).map(|number: usize| (format!("{number:x}"), json!("")));
    manifest["layers"] = json!([]);
    manifest["annotations"] = Value::Object(names.collect());
    for content in [full, manifest.to_string()] {
        let digest = registry.put_manifest("app", MANIFEST, content);
        registry.tag("app", "v1", &digest);
        let sandbox = Sandbox::new();
        let finished = pull(&sandbox, &registry).succeeds();
        assert_eq!(finished.documents().len(), 1);
    }
}
