//! Where reused ztocs come from, through all stages and with every version of SOCI indexes.

use serde_json::Value;
use soci_testkit::{image, process::Sandbox, registry::Registry};

use super::{assert_built, assert_same_result, five_layers, publish, with_force, without_force};
use crate::stages::{Run, Stages, layers, stage};

/// Runs the stages in a sandbox, so that the runs share its store.
fn run_in(sandbox: &Sandbox, reference: &str, plan: &[&str]) -> Run {
    Stages::of(sandbox, &[reference])
        .plan(plan)
        .run_with(without_force)
}

/// Asserts where the ztoc of each layer comes from.
#[track_caller]
fn assert_reused_from(document: &Value, reused: &Value, from: &Value) {
    for layer in layers(document) {
        assert_eq!(&layer["reused"], reused, "{layer}");
        assert_eq!(&layer["reusedFrom"], from, "{layer}");
    }
}

/// The document, the summary of the push and the report name the image that the ztocs were taken
/// from. A later run that does not name it reads the layers, although this run has pushed the ztocs
/// into the image's own repository.
#[test]
fn a_ztoc_serves_only_runs_that_trust_its_source() {
    for version in ["v1", "v2", "both"] {
        let (own, other) = (Registry::distribution(), Registry::olareg());
        let base = publish(&other, "v0", &[five_layers("linux/amd64", 3)]);
        let versions = ["--index-version", version];
        let stages = Sandbox::new();
        let stages = Stages::of(&stages, &[&base]).plan(&versions);
        let scratch = stages.run_with(with_force).succeeds_for_one();
        let image = publish(&own, "v1", &[five_layers("linux/amd64", 3)]);

        let sandbox = Sandbox::new();
        let named = [&versions[..], &["--reuse-from", &base]].concat();
        let run = run_in(&sandbox, &image, &named);
        let run = run.says(&format!("5 reused from {base}"));
        let line = run.stdout().to_vec();
        let stderr = run.stderr();
        let document = run.succeeds_for_one();
        assert_built(&stderr, &document, &[]);
        assert_reused_from(&document, &"soci-index".into(), &base.as_str().into());
        let report = stage(&sandbox, "soci-report").stdin(line).run().succeeds();
        let outcome = format!("reused from {base}");
        assert!(report.text().contains(&outcome), "{}", report.text());

        // Another tag of the same repository is the same source.
        let tag = base.replace(":v0", ":v9");
        let run = run_in(
            &sandbox,
            &image,
            &[&versions[..], &["--reuse-from", &tag]].concat(),
        );
        assert_reused_from(
            &run.succeeds_for_one(),
            &"store".into(),
            &base.as_str().into(),
        );

        let run = run_in(&sandbox, &image, &versions);
        let run = run.says("which this run does not name");
        let stderr = run.stderr();
        let document = run.succeeds_for_one();
        assert_built(&stderr, &document, &[0, 1, 2, 3, 4]);
        assert_reused_from(&document, &Value::Null, &Value::Null);
        let run = run_in(&sandbox, &image, &named);
        let built = run.succeeds_for_one();
        assert_reused_from(&built, &"store".into(), &Value::Null);
        let manifests = |document: &Value| {
            let layers = layers(document);
            let ztocs = layers.iter().map(|layer| layer["ztoc"].clone());
            ztocs.collect::<Vec<_>>()
        };
        assert_eq!(manifests(&built), manifests(&scratch));
    }
}

/// A machine with an empty store reuses from the image's own repository, and says so. The option
/// proves such ztocs, too.
#[test]
fn the_images_own_repository_is_a_source_like_others() {
    let registry = Registry::distribution();
    let image = publish(&registry, "v1", &[five_layers("linux/amd64", 3)]);
    let first = run_in(&Sandbox::new(), &image, &[]).succeeds_for_one();
    let run = run_in(&Sandbox::new(), &image, &[]);
    assert!(!run.stderr().contains("reused from"), "{}", run.stderr());
    let document = run.succeeds_for_one();
    assert_reused_from(&document, &"soci-index".into(), &image.as_str().into());
    assert_same_result(&document, &first);
    let verify = |tool: soci_testkit::process::Tool| tool.env("SOCI_VERIFY_REUSED", "true");
    let sandbox = Sandbox::new();
    let run = Stages::of(&sandbox, &[&image]).run_with(verify);
    assert!(!run.stderr().contains("warning"), "{}", run.stderr());
    let document = run.succeeds_for_one();
    assert_reused_from(&document, &"soci-index".into(), &image.as_str().into());
    assert_eq!(document["timing"]["index"]["reused"], 0, "{document}");
    assert_same_result(&document, &first);
}

/// A layout that is named by a relative path is the same source in another directory, and another
/// layout of the same name is not.
#[test]
fn layouts_are_told_apart_by_their_absolute_paths() {
    let sandbox = Sandbox::new();
    for name in ["image", "a/base", "b/base"] {
        let layout = sandbox.path().join(name);
        image::write_layout(&layout, &[five_layers("linux/amd64", 3)]);
    }
    let indexed = |layout: &str| {
        let store = Sandbox::new();
        let reference = format!("oci:{}", sandbox.path().join(layout).display());
        let stages = Stages::of(&store, &[reference]);
        stages.run_with(with_force).succeeds();
    };
    indexed("a/base");
    indexed("b/base");
    let run = |from: &str| {
        let stages = Stages::of(&sandbox, &["oci:image"]).plan(&["--reuse-from", from]);
        stages.push(&["--to", "oci:out"]).run().succeeds_for_one()
    };
    let path = std::fs::canonicalize(sandbox.path()).expect("a sandbox");
    let from = format!("oci:{}:latest", path.join("a/base").display());
    assert_reused_from(
        &run("oci:a/base:latest"),
        &"soci-index".into(),
        &from.as_str().into(),
    );
    let again = run("oci:./b/../a/base:latest");
    assert_reused_from(&again, &"store".into(), &from.as_str().into());
    // The other layout has ztocs of its own.
    let other = run("oci:b/base:latest");
    for layer in layers(&other) {
        assert_ne!(layer["reused"], "store", "{layer}");
    }
}
