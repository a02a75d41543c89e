//! Images of thousands of manifests and layers.

use serde_json::{Value, json};
use soci_testkit::{faulty::Faulty, image::digest, process::Sandbox};

use super::{
    FOREIGN, GZIP, INDEX, LIMIT, MANIFEST, MANIFESTS, absent_manifest, index_of, layer,
    manifest_of, pull, registry_with,
};
use crate::{assert_fails, soci_tool};

/// J2: an index of more manifests than are fetched is refused before any of them is requested.
#[test]
fn refuses_an_index_of_thousands_of_manifests_after_one_request() {
    for (count, says) in [
        (18_000, "the image lists more than 10000 manifests"),
        (
            1001,
            "the image lists more than 1000 manifests that were asked for",
        ),
    ] {
        let manifests: Vec<Value> = (0..count)
            .map(|seed| absent_manifest(seed, "amd64"))
            .collect();
        let registry = registry_with(INDEX, &index_of(&manifests));
        let sandbox = Sandbox::new();
        assert_fails(&sandbox, pull(&sandbox, &registry), 65, &[says]);
        assert_eq!(registry.requests().len(), 1, "{}", registry.log());
    }
}

/// J2: of an index of thousands of manifests, those of the platform that was asked for are fetched.
#[test]
fn fetches_the_platform_that_was_asked_for_among_thousands() {
    let registry = Faulty::start();
    let mut manifests: Vec<Value> = (0..5000)
        .map(|seed| absent_manifest(seed, "s390x"))
        .collect();
    let manifest = manifest_of(&registry, &[layer(1, GZIP)]);
    manifests.push(json!({"mediaType": MANIFEST, "size": manifest.len(),
        "digest": registry.put_manifest("app", MANIFEST, manifest),
        "platform": {"architecture": "amd64", "os": "linux"}}));
    let digest = registry.put_manifest("app", INDEX, index_of(&manifests));
    registry.tag("app", "v1", &digest);
    let sandbox = Sandbox::new();
    let tool = soci_tool(&sandbox).args(["--platform", "linux/amd64"]);
    let tool = tool.arg(format!("{}/app:v1", registry.host()));
    let finished = tool.run().succeeds();
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    // The index, the manifest and its configuration.
    assert_eq!(registry.requests().len(), 3, "{}", registry.log());
    // Without the option, the user learns of it.
    assert_fails(&sandbox, pull(&sandbox, &registry), 65, &["--platform"]);
}

/// J2: many manifests are a warning, and each is requested once however often it is listed.
#[test]
fn requests_each_manifest_of_an_index_once_and_warns_of_many() {
    let mut manifests: Vec<Value> = (0..300)
        .map(|seed| absent_manifest(seed, "amd64"))
        .collect();
    manifests.extend(vec![manifests[0].clone(); 3000]);
    let registry = registry_with(INDEX, &index_of(&manifests));
    let sandbox = Sandbox::new();
    let finished = pull(&sandbox, &registry).succeeds();
    let finished = finished.says("an image index lists 300 manifests, and each is fetched");
    assert_eq!(
        finished.documents()[0]["manifests"]
            .as_array()
            .map(Vec::len),
        Some(3300)
    );
    assert_eq!(registry.requests().len(), 1 + 300);
}

/// J3: a large manifest that is listed thousands of times does not fill the memory.
#[test]
fn refuses_a_large_manifest_that_is_listed_often() {
    let registry = Faulty::start();
    let layers: Vec<Value> = (0..20_000).map(|seed| layer(seed, GZIP)).collect();
    let manifest = manifest_of(&registry, &layers);
    let entry = json!({"mediaType": MANIFEST, "size": manifest.len(),
        "digest": registry.put_manifest("app", MANIFEST, manifest)});
    let digest = registry.put_manifest("app", INDEX, index_of(&vec![entry; 9000]));
    registry.tag("app", "v1", &digest);
    let sandbox = Sandbox::new();
    let says = ["the image has more than 50000 layers in its manifests"];
    assert_fails(&sandbox, pull(&sandbox, &registry), 65, &says);
}

/// Starts a registry whose tag `app:v1` names an index of so many manifests, each with a layer of
/// these annotations.
fn registry_with_annotations(manifests: usize, annotations: &str) -> Faulty {
    let registry = Faulty::start();
    let entry = |number: usize| {
        let layer = json!({"mediaType": GZIP, "digest": digest(&number.to_le_bytes()), "size": 1,
            "annotations": "here"});
        let manifest = manifest_of(&registry, &[layer]).replace("\"here\"", annotations);
        json!({"mediaType": MANIFEST, "size": manifest.len(),
            "digest": registry.put_manifest("app", MANIFEST, manifest)})
    };
    let entries: Vec<Value> = (0..manifests).map(entry).collect();
    let digest = registry.put_manifest("app", INDEX, index_of(&entries));
    registry.tag("app", "v1", &digest);
    registry
}

/// J3: large manifests are refused by the sum of their sizes, before all of them are fetched.
#[test]
fn refuses_manifests_of_too_many_bytes_in_all() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
    let registry = registry_with_annotations(10, &long);
    let sandbox = Sandbox::new();
    let says = [
        "the image has more than 8388608 bytes of manifests",
        "--platform",
    ];
    assert_fails(&sandbox, pull(&sandbox, &registry), 65, &says);
    let sent = registry.bytes_sent("GET", MANIFESTS);
    assert!(sent < (8 << 20) + LIMIT, "{sent}");
}

/// J3: annotations are counted, since each takes much more memory than bytes.
#[test]
fn refuses_hundreds_of_thousands_of_annotations() {
    let names = (0..150_000).map(|name| format!("\"{name:x}\":\"\""));
    let many = format!("{{{}}}", names.collect::<Vec<_>>().join(","));
    let sandbox = Sandbox::new();
    pull(&sandbox, &registry_with_annotations(1, &many)).succeeds();
    let says = ["the image has more than 200000 annotations in its manifests"];
    let registry = registry_with_annotations(2, &many);
    assert_fails(&sandbox, pull(&sandbox, &registry), 65, &says);
}

/// J3: foreign layers are looked up in the registry, up to a number.
#[test]
fn refuses_thousands_of_foreign_layers_without_a_look_up() {
    let registry = Faulty::start();
    let layers: Vec<Value> = (0..5000).map(|seed| layer(seed, FOREIGN)).collect();
    let manifest = manifest_of(&registry, &layers);
    let digest = registry.put_manifest("app", MANIFEST, manifest);
    registry.tag("app", "v1", &digest);
    let sandbox = Sandbox::new();
    let says = ["the image has more than 1000 foreign layers"];
    assert_fails(&sandbox, pull(&sandbox, &registry), 65, &says);
    assert_eq!(registry.requests().len(), 1, "{}", registry.log());
}
