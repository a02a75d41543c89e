//! The values of options, and how they stand in the plan.

use serde_json::json;
use soci_testkit::{
    image::{Image, random_layer},
    process::Sandbox,
};

use crate::{Pulled, soci_tool};

#[test]
fn names_the_units_of_a_malformed_size() {
    let sandbox = Sandbox::new();
    for size in [
        "10mib",
        "ten",
        "1.5MiB",
        "-1",
        "9223372036854775808",
        "8EiB",
        "",
        "10 MiB",
    ] {
        for option in ["--min-layer-size", "--span-size"] {
            let tool = soci_tool(&sandbox).arg(format!("{option}={size}"));
            let finished = tool.run().ends_with(2).says(option);
            finished.says("B, kB, MB, GB, TB, KiB, MiB, GiB, TiB");
        }
        let tool = soci_tool(&sandbox).env("SOCI_MIN_LAYER_SIZE", size);
        tool.run().ends_with(2).says("MiB");
    }
}

#[test]
fn rejects_a_malformed_reference_to_reuse_from() {
    let sandbox = Sandbox::new();
    let tool = soci_tool(&sandbox).args(["--reuse-from", "app:v0,App:v0"]);
    let finished = tool.run().ends_with(2);
    finished.says("--reuse-from").says("`App:v0`");
}

#[test]
fn writes_every_option_into_the_plan() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let document = pulled.planned(&[
        "--min-layer-size",
        "1kB",
        "--span-size",
        "1MiB",
        "--index-version",
        "v1",
        "--xattr-optimization",
        "--prefetch-file",
        "/etc/name",
        "--reuse-from",
        "oci:image:latest",
    ]);
    let plan = &document["plan"];
    assert_eq!(plan["minLayerSize"], 1000, "{plan}");
    assert_eq!(plan["spanSize"], 1 << 20, "{plan}");
    assert_eq!(plan["indexVersion"], "v1", "{plan}");
    assert_eq!(plan["optimizations"], json!(["xattr"]), "{plan}");
    assert_eq!(plan["prefetchFiles"], json!(["etc/name"]), "{plan}");
    assert_eq!(plan["reuseFrom"], json!(["oci:image:latest"]), "{plan}");
}
