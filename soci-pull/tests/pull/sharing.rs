//! Several processes that pull into one store at the same time.

use std::thread;

use serde_json::Value;
use soci_testkit::store::assert_sound;

use crate::{app, layout_and_registry, soci_tool};

const PROCESSES: usize = 8;

/// F6: eight processes that pull one image into one store all succeed, and later pulls fetch
/// nothing.
#[test]
fn fills_one_store_from_eight_processes() {
    let (sandbox, registry) = layout_and_registry();
    let pull = || soci_tool(&sandbox).arg("--layers").arg(app(&registry));
    let mut documents: Vec<Value> = thread::scope(|scope| {
        let processes: Vec<_> = (0..PROCESSES)
            .map(|_| scope.spawn(|| pull().run().succeeds().documents().remove(0)))
            .collect();
        processes
            .into_iter()
            .map(|process| process.join().expect("a pull"))
            .collect()
    });
    for document in &mut documents {
        document["timing"] = Value::Null;
    }
    documents.dedup();
    assert_eq!(documents.len(), 1, "all documents are the same");
    assert_sound(&sandbox.store());
    // No process waits for another, so each may fetch everything once.
    for digest in registry.digests() {
        let fetched = registry.count("GET", &format!("*/blobs/{digest}"));
        assert!(fetched <= PROCESSES, "{digest}: {fetched} times");
    }
    let layers = documents[0]["manifests"][0]["layers"].as_array();
    let layers: Vec<String> = layers
        .expect("layers")
        .iter()
        .map(|layer| layer["descriptor"]["digest"].as_str().expect("a digest"))
        .map(|digest| format!("*/blobs/{digest}"))
        .collect();
    let fetched = || -> usize { layers.iter().map(|glob| registry.count("GET", glob)).sum() };
    let before = fetched();
    assert!(before >= layers.len());
    pull().run().succeeds();
    assert_eq!(fetched(), before, "{}", registry.log());
}
