//! `--verify-reused`: a reused ztoc is proved against its layer.

use serde_json::{Value, json};
use soci_testkit::image::{Image, Layer};

use super::{Run, Victim, assert_built, assert_layer};
use crate::{only_document, soci_tool};

/// A sound ztoc is reused as before, after the layer was read.
#[test]
fn a_sound_ztoc_is_proved_and_reused() {
    let victim = Victim::get();
    let run = Run::of(&victim.image);
    run.offer("cache", &[&victim.honest]);
    let from = json!(run.absolute("cache"));
    let finished = run.finish(&["oci:cache"], &["--verify-reused"]);
    assert_layer(&finished, &victim.honest, &json!("soci-index"), &from);
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    let timing = &only_document(&finished)["timing"]["index"];
    let size = &run.plan["manifests"][0]["layers"][0]["descriptor"]["size"];
    assert_eq!((&timing["bytes"], &timing["reused"]), (size, &json!(0)));
    // It counts as built from now on.
    let finished = run.finish(&[], &[]);
    assert_layer(&finished, &victim.honest, &json!("store"), &Value::Null);
}

/// A forged ztoc is not used, whether it is offered or already in the store. A warning names it,
/// its source and the layer.
#[test]
fn a_forged_ztoc_is_found_and_the_layer_is_indexed() {
    let victim = Victim::get();
    let forged = victim.forged.descriptor["digest"]
        .as_str()
        .expect("a digest");
    let honest = victim.honest.descriptor["digest"]
        .as_str()
        .expect("a digest");
    for is_in_store in [false, true] {
        let run = Run::of(&victim.image);
        run.offer("evil", &[&victim.forged]);
        if is_in_store {
            run.finish(&["oci:evil"], &[]).succeeds();
        }
        let finished = run.finish(&["oci:evil"], &["--verify-reused"]);
        assert_built(&finished, victim);
        let layer = &run.plan["manifests"][0]["layers"][0]["descriptor"]["digest"];
        let layer = layer.as_str().expect("a digest");
        let warning = format!(
            "soci-index: warning: oci:image: the ztoc `{forged}` from {} is not that of layer `{layer}`: `{honest}` was built instead",
            run.absolute("evil")
        );
        finished.says(&warning);
        // The forged one is not used again.
        let finished = run.finish(&["oci:evil"], &[]);
        assert_layer(&finished, &victim.honest, &json!("store"), &Value::Null);
    }
}

#[test]
fn the_variable_does_the_same_and_force_reuses_nothing() {
    let victim = Victim::get();
    let run = Run::of(&victim.image);
    run.offer("evil", &[&victim.forged]);
    let mut plan = run.plan.clone();
    plan["plan"]["reuseFrom"] = json!(["oci:evil"]);
    let tool = soci_tool(&run.sandbox).stdin(format!("{plan}\n"));
    let finished = tool.env("SOCI_VERIFY_REUSED", "true").run();
    assert_built(&finished, victim);
    finished.says("is not that of layer");
    let finished = run.finish(&["oci:evil"], &["--verify-reused", "--force"]);
    assert_built(&finished, victim);
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
}

/// A ztoc that is offered for a layer that can have none is not used either.
#[test]
fn a_ztoc_of_a_layer_that_can_have_none_is_refused() {
    let victim = Victim::get();
    let damaged = Layer::from_bytes(victim.layer[..victim.layer.len() - 4].to_vec());
    let run = Run::of(&Image::new("linux/amd64").layer(damaged));
    let layer = &run.plan["manifests"][0]["layers"][0]["descriptor"];
    let mut ztoc = victim.honest.clone();
    let annotations = &mut ztoc.descriptor["annotations"];
    annotations["com.amazon.soci.image-layer-digest"] = layer["digest"].clone();
    run.offer("evil", &[&ztoc]);
    let finished = run.finish(&["oci:evil"], &["--verify-reused"]);
    let layer = super::layer_of(&finished);
    assert_eq!(layer["skipped"], "unreadable");
    assert_eq!(layer["reusedFrom"], Value::Null);
    finished.says("the layer can have none");
}
