//! Which runs a reused ztoc in the store serves.

use serde_json::{Value, json};
use soci_testkit::{
    image::{self, Image, Layer},
    store::files_below,
};

use super::{Run, TOOL, Victim, assert_built, assert_layer, layer_of};
use crate::only_document;

/// A ztoc with forged windows breaks no rule, and readers read most files wrong through it. It is
/// used if the user names its source; later runs that do not name the source never see it.
#[test]
fn a_forged_ztoc_serves_only_runs_that_name_its_source() {
    let victim = Victim::get();
    let wrong = victim.count_wrong_files(&victim.forged);
    assert!(wrong > 1000, "{wrong} files are read wrong");
    assert_eq!(victim.count_wrong_files(&victim.honest), 0);
    let run = Run::of(&victim.image);
    run.offer("evil", &[&victim.forged]);
    let from = json!(run.absolute("evil"));

    let finished = run.finish(&["oci:evil"], &[]);
    assert_layer(&finished, &victim.forged, &json!("soci-index"), &from);
    let entries = files_below(&run.sandbox.store().join("ztocs"));
    for entry in &entries {
        let text = std::fs::read_to_string(entry).expect("an entry");
        let entry: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(entry["reusedFrom"], from, "{entry}");
    }
    assert!(!entries.is_empty());
    // The source is named again, in another way.
    for name in [
        "oci:evil",
        "oci:./evil:latest",
        from.as_str().expect("a reference"),
    ] {
        let finished = run.finish(&[name], &[]);
        assert_layer(&finished, &victim.forged, &json!("store"), &from);
    }

    // Neither named nor another source.
    run.offer("other", &[]);
    assert_built(&run.finish(&["oci:other"], &[]), victim);
    let finished = run.finish(&[], &[]);
    assert_layer(&finished, &victim.honest, &json!("store"), &Value::Null);
    // What was built here is used even if the source is named.
    let finished = run.finish(&["oci:evil"], &[]);
    assert_layer(&finished, &victim.honest, &json!("store"), &Value::Null);
}

/// After a push the image's own repository has the reused ztoc. It is trusted no more for that.
#[test]
fn a_reused_ztoc_is_not_trusted_because_this_store_has_published_it() {
    let victim = Victim::get();
    let run = Run::of(&victim.image);
    run.offer("evil", &[&victim.forged]);
    run.finish(&["oci:evil"], &[]).succeeds();
    // The same ztoc in a source that this run trusts.
    run.offer("published", &[&victim.forged]);
    let finished = run.finish(&["oci:published"], &[]);
    finished.clone().says("which this run does not name");
    assert_built(&finished, victim);
}

/// An entry of an earlier release does not tell where its ztoc comes from, so it is not used. What
/// it tells of a layer without ztoc is used, because that takes a look at the layer.
#[test]
fn entries_of_earlier_releases_serve_only_layers_without_ztoc() {
    let victim = Victim::get();
    let entry_name = |run: &Run| {
        let layer = &run.plan["manifests"][0]["layers"][0]["descriptor"];
        let layer = layer["digest"].as_str().expect("a digest");
        let span = &run.plan["plan"]["spanSize"];
        let key = format!("1\n{layer}\nGzip\n{span}\n{TOOL}");
        let name = image::digest(key.as_bytes()).replace("sha256:", "");
        run.sandbox.store().join("ztocs").join(name)
    };
    let run = Run::of(&victim.image);
    run.offer("evil", &[&victim.forged]);
    run.finish(&["oci:evil"], &[]).succeeds();
    let ztoc = &victim.forged.descriptor;
    let entry =
        json!({"ztoc": {"digest": ztoc["digest"], "size": ztoc["size"], "disable_xattrs": true}});
    std::fs::write(entry_name(&run), entry.to_string()).expect("a writable store");
    assert_built(&run.finish(&[], &[]), victim);

    let image = Image::new("linux/amd64").layer(Layer::from_bytes([]));
    let run = Run::of(&image);
    let first = run.finish(&[], &[]);
    let layers = layer_of(&first);
    assert_eq!(layers["skipped"], "empty");
    let entries = files_below(&run.sandbox.store().join("ztocs"));
    std::fs::rename(&entries[0], entry_name(&run)).expect("a writable store");
    let second = run.finish(&[], &[]);
    assert_eq!(layer_of(&second)["skipped"], "empty");
    assert_eq!(only_document(&second)["timing"]["index"]["bytes"], 0);
}

/// An entry whose source was changed or removed is not used.
#[test]
fn an_entry_without_its_source_is_not_used() {
    let victim = Victim::get();
    for field in ["reusedFrom", "source"] {
        let run = Run::of(&victim.image);
        run.offer("evil", &[&victim.forged]);
        run.finish(&["oci:evil"], &[]).succeeds();
        for file in files_below(&run.sandbox.store().join("ztocs")) {
            let text = std::fs::read_to_string(&file).expect("an entry");
            let mut entry: Value = serde_json::from_str(&text).expect("JSON");
            entry.as_object_mut().expect("an object").remove(field);
            std::fs::write(&file, entry.to_string()).expect("a writable store");
        }
        assert_built(&run.finish(&[], &[]), victim);
    }
}
