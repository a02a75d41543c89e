//! Several ztocs that are offered for one layer.

use serde_json::json;

use super::{Run, Victim, assert_built, assert_layer};

/// One layer has one ztoc, so that of two different ones at least one is wrong. Neither is used.
#[test]
fn two_different_ztocs_for_one_layer_are_a_warning_that_names_both() {
    let victim = Victim::get();
    let digest = |ztoc: &super::OfferedZtoc| {
        let digest = ztoc.descriptor["digest"].as_str();
        digest.expect("a digest").to_owned()
    };
    let (honest, forged) = (digest(&victim.honest), digest(&victim.forged));
    for (from, first, second) in [
        (&["oci:both"][..], "both", "both"),
        (&["oci:evil", "oci:cache"], "evil", "cache"),
        (&["oci:cache", "oci:evil"], "cache", "evil"),
    ] {
        let run = Run::of(&victim.image);
        run.offer("both", &[&victim.forged, &victim.honest]);
        run.offer("evil", &[&victim.forged]);
        run.offer("cache", &[&victim.honest]);
        let finished = run.finish(from, &[]);
        assert_built(&finished, victim);
        let (one, other) = if first == "cache" {
            (&honest, &forged)
        } else {
            (&forged, &honest)
        };
        let warning = format!(
            "two different ztocs are offered: `{one}` by {} and `{other}` by {}; none is reused",
            run.absolute(first),
            run.absolute(second),
        );
        finished
            .says("soci-index: warning: oci:image: layer `")
            .says(&warning);
    }
}

/// The same ztoc in several sources is no conflict.
#[test]
fn the_same_ztoc_from_two_sources_is_reused() {
    let victim = Victim::get();
    let run = Run::of(&victim.image);
    run.offer("one", &[&victim.honest]);
    run.offer("two", &[&victim.honest, &victim.honest]);
    let finished = run.finish(&["oci:one", "oci:two"], &[]);
    let from = json!(run.absolute("one"));
    assert_layer(&finished, &victim.honest, &json!("soci-index"), &from);
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
}
