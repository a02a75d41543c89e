//! The pipeline against a registry without the referrers API (Debian's) and one with it (olareg).

mod destinations;
mod options;
mod several;

use serde_json::Value;
use soci_testkit::{
    document::tag_names,
    image::{self, Format, Image, Layer},
    process::Sandbox,
    registry::Registry,
};

use crate::read_back::{BlobSource as _, Repository, array, assert_pushed};
use crate::stages::{Stages, assert_sound, layer, layers};

/// Starts both kinds of registries, with the way in which readers find an index of version 1 in
/// each.
fn registries() -> [(Registry, &'static str); 2] {
    [
        (Registry::distribution(), "tag"),
        (Registry::olareg(), "api"),
    ]
}

/// An image of one platform and one layer.
fn simple(seed: u64) -> [Image; 1] {
    [Image::new("linux/amd64").layer(layer(seed, 3000))]
}

/// Pushes images to `app:v1`.
fn publish(registry: &Registry, images: &[Image]) -> Value {
    let sandbox = Sandbox::new();
    let root = image::write_layout(&sandbox.path().join("image"), images);
    registry.push(&sandbox.path().join("image"), "app:v1");
    root
}

/// Asserts that the record of the push names the SOCI indexes of each platform, those of version 2
/// first.
#[track_caller]
fn assert_indexes(document: &Value) {
    let planned = |entry: &&Value| entry["plan"]["action"] == "index";
    let mut expected = Vec::new();
    for version in ["v2", "v1"] {
        for entry in array(&document["manifests"]).iter().filter(planned) {
            expected.push(
                serde_json::json!({"version": version, "platform": entry["platform"],
                "digest": entry["index"][version]["digest"]}),
            );
        }
    }
    assert_eq!(document["push"]["indexes"], Value::Array(expected));
}

/// Returns the reference of the image that [`publish`] pushed.
fn reference(registry: &Registry) -> String {
    format!("{}/app:v1", registry.host())
}

/// Two platforms that share a layer, each with an attestation.
fn two_platforms() -> [Image; 2] {
    let base = layer(1, 30_000);
    let amd64 = Image::new("linux/amd64").layer(base.clone());
    let arm64 = Image::new("linux/arm64").layer(base);
    [
        amd64.layer(layer(2, 5000)).attested(),
        arm64.layer(Layer::plain(&[("app", b"arm64")])).attested(),
    ]
}

#[test]
fn pushes_both_versions_of_all_platforms() {
    for (registry, referrers) in registries() {
        let root = publish(&registry, &two_platforms());
        let sandbox = Sandbox::new();
        let run = Stages::of(&sandbox, &[reference(&registry)]).plan(&["--all-platforms"]);
        let document = run.run().succeeds_for_one();
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        let converted = repository.tag("v1-soci");
        assert_pushed(&repository, &document, Some(&converted));
        repository.can_be_copied("v1-soci");
        let push = &document["push"];
        assert_eq!(push["referrers"], referrers);
        assert_eq!(push["repository"], format!("{}/app", registry.host()));
        let tag = format!("{}-soci", reference(&registry));
        assert_eq!(tag_names(&document), serde_json::json!([tag]));
        assert_indexes(&document);
        // Four images and attestations, and a SOCI index for each of the two images.
        assert_eq!(array(&converted["manifests"]).len(), 6);
        assert_eq!(
            image::digest(&repository.raw("v1")),
            root["digest"],
            "the original stays"
        );
        // One configuration, three ztocs, two indexes of each version, two images, one root. The
        // attestations existed.
        assert_eq!(push["uploaded"], 1 + 3 + 4 + 2 + 1);
        assert_sound(&sandbox.store());
    }
}

#[test]
fn attestations_name_the_converted_manifests() {
    let registry = Registry::distribution();
    publish(&registry, &two_platforms());
    let sandbox = Sandbox::new();
    Stages::of(&sandbox, &[reference(&registry)])
        .run()
        .succeeds();
    let repository = Repository {
        registry: &registry,
        name: "app",
    };
    let converted = repository.tag("v1-soci");
    let entries = array(&converted["manifests"]);
    let attested: Vec<&Value> = entries
        .iter()
        .map(|entry| &entry["annotations"]["vnd.docker.reference.digest"])
        .filter(|digest| !digest.is_null())
        .collect();
    let digests: Vec<&Value> = [0, 2].map(|at| &entries[at]["digest"]).to_vec();
    assert_eq!(attested, digests, "{converted}");
    for entry in entries {
        repository.bytes(entry);
    }
}

#[test]
fn one_version_is_pushed_without_the_other() {
    for (registry, referrers) in registries() {
        publish(&registry, &simple(1));
        let sandbox = Sandbox::new();
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        let stages = || Stages::of(&sandbox, &[reference(&registry)]);
        let v2 = stages()
            .plan(&["--index-version", "v2"])
            .run()
            .succeeds_for_one();
        assert_pushed(&repository, &v2, Some(&repository.tag("v1-soci")));
        assert_eq!(v2["push"]["referrers"], "none");
        let manifest = &v2["manifests"][0];
        assert!(repository.referrers(&manifest["descriptor"]).is_empty());
        assert!(manifest["index"].get("v1").is_none());
        assert_eq!(repository.tags(), ["v1", "v1-soci"]);

        publish(&registry, &simple(2));
        let v1 = stages()
            .plan(&["--index-version", "v1"])
            .run()
            .succeeds_for_one();
        assert_pushed(&repository, &v1, None);
        assert_eq!(v1["push"]["referrers"], referrers);
        assert_eq!(v1["push"]["tags"], serde_json::json!([]));
        assert!(v1.get("converted").is_none());
        // The tag still names the converted image of the first run.
        assert_eq!(
            image::digest(&repository.raw("v1-soci")),
            v2["converted"]["digest"]
        );
    }
}

#[test]
fn converts_schema_2_images_to_oci() {
    for (registry, _) in registries() {
        let [amd64, arm64] = two_platforms();
        let images = [amd64.format(Format::Docker), arm64.format(Format::Docker)];
        publish(&registry, &images);
        let sandbox = Sandbox::new();
        let run =
            Stages::of(&sandbox, &[reference(&registry)]).plan(&["--platform", "linux/arm64"]);
        let document = run.run().succeeds_for_one();
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        let converted = repository.tag("v1-soci");
        assert_eq!(converted["mediaType"], crate::read_back::OCI_INDEX);
        assert_pushed(&repository, &document, Some(&converted));
        repository.can_be_copied("v1-soci");
        let first = layers(&document)[0];
        let media_type = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        assert_eq!(first["descriptor"]["mediaType"], media_type);
    }
}

#[test]
fn a_second_run_uploads_nothing() {
    for (registry, referrers) in registries() {
        publish(&registry, &two_platforms());
        let sandbox = Sandbox::new();
        let first = Stages::of(&sandbox, &[reference(&registry)])
            .run()
            .succeeds_for_one();
        let stages = Stages::of(&sandbox, &[reference(&registry)]).run();
        let second = stages.says("ztoc found in the cache").succeeds_for_one();
        let (one, two) = (&first["push"], &second["push"]);
        assert_eq!(two["uploaded"], 0, "{two}");
        assert_eq!(two["bytes"], 0);
        assert_eq!(two["referrers"], referrers);
        assert_eq!(two["tags"], one["tags"]);
        // Another machine builds the same bytes from scratch.
        let elsewhere = Sandbox::new();
        let stages = Stages::of(&elsewhere, &[reference(&registry)]);
        let third = stages.run_with(|tool| tool.env("SOCI_FORCE", "true"));
        let third = third.succeeds_for_one();
        assert_eq!(third["push"]["uploaded"], 0, "{third}");
        assert_eq!(third["manifests"], first["manifests"]);
        assert_eq!(third["converted"], first["converted"]);
    }
}

#[test]
fn a_zstd_layer_is_skipped_with_its_reason() {
    let registry = Registry::distribution();
    let zstd = Layer::zstd(&[("app", b"zstd")]);
    publish(
        &registry,
        &[Image::new("linux/amd64").layer(layer(1, 3000)).layer(zstd)],
    );
    let sandbox = Sandbox::new();
    let document = Stages::of(&sandbox, &[reference(&registry)])
        .run()
        .succeeds_for_one();
    let layers = layers(&document);
    assert_eq!(layers[0]["plan"]["action"], "index");
    let decision = serde_json::json!({"action": "skip", "reason": "unsupported-compression"});
    assert_eq!(layers[1]["plan"], decision);
    assert!(layers[1].get("ztoc").is_none());
    let repository = Repository {
        registry: &registry,
        name: "app",
    };
    assert_pushed(&repository, &document, Some(&repository.tag("v1-soci")));
    repository.can_be_copied("v1-soci");
}

#[test]
fn an_image_without_layers_to_index_gets_its_tag() {
    for (registry, _) in registries() {
        let root = publish(&registry, &simple(1));
        let sandbox = Sandbox::new();
        let stages = || Stages::of(&sandbox, &[reference(&registry)]);
        let run = stages().plan(&["--min-layer-size", "10MiB"]).run();
        let document = run
            .says("warning: ")
            .says("no layer is to be indexed")
            .succeeds_for_one();
        assert_eq!(document["converted"], Value::Null);
        assert_eq!(document["manifests"][0].get("index"), Some(&Value::Null));
        assert_eq!(
            layers(&document)[0]["plan"]["reason"],
            "below-min-layer-size"
        );
        assert_eq!(document["push"]["referrers"], "none");
        let repository = Repository {
            registry: &registry,
            name: "app",
        };
        assert_eq!(image::digest(&repository.raw("v1-soci")), root["digest"]);

        let required = stages()
            .plan(&["--min-layer-size", "10MiB", "--require-layers"])
            .run();
        let required = required
            .says("no layer is to be indexed")
            .says("--min-layer-size");
        let failed = required.ends_with([0, 81, 81, 81]);
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0]["error"]["stage"], "soci-plan");
    }
}
