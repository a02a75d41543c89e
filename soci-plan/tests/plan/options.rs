//! The values of options, and how they stand in the plan.

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use soci_testkit::{
    image::{Image, random_layer},
    process::Sandbox,
};

use crate::{Pulled, soci_tool};

#[test]
fn names_the_units_of_a_malformed_size() {
    let sandbox = Sandbox::new();
    for size in [
        "ten",
        "1.5",
        "-1",
        "0x10",
        "NaN",
        "9223372036854775808",
        "8EiB",
        "10 apples",
    ] {
        for option in ["--min-layer-size", "--span-size"] {
            let tool = soci_tool(&sandbox).arg(format!("{option}={size}"));
            let finished = tool.run().ends_with(2).says(option);
            finished.says("KiB, MiB, GiB, TiB").says("kB, MB, GB, TB");
        }
        let tool = soci_tool(&sandbox).env("SOCI_MIN_LAYER_SIZE", size);
        let finished = tool.run().ends_with(2);
        let start = "soci-plan: error: SOCI_MIN_LAYER_SIZE: invalid";
        finished.says(&format!("{start} value `{size}`: expected"));
    }
    let tool = soci_tool(&sandbox).args(["--min-layer-size", "-1"]);
    tool.run().ends_with(2).says("MiB");
    let tool = soci_tool(&sandbox).arg("--min-layer-size=");
    tool.run().ends_with(2).says("invalid value ``");
}

/// Sizes are understood as Docker understands them, but MB is decimal.
#[test]
fn understands_sizes_in_the_notations_of_other_tools() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    for (size, bytes) in [
        ("10M", 10 << 20),
        ("10m", 10 << 20),
        ("10MiB", 10 << 20),
        ("10 MiB", 10 << 20),
        ("10mb", 10_000_000),
        ("1.5MiB", 3 << 19),
        ("1G", 1 << 30),
        ("10k", 10 << 10),
    ] {
        let document = pulled.planned(&["--min-layer-size", size]);
        assert_eq!(document["plan"]["minLayerSize"], bytes, "{size}");
    }
}

#[test]
fn understands_index_versions_without_the_letter_and_in_any_case() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    for (version, planned) in [
        ("1", "v1"),
        ("V1", "v1"),
        ("2", "v2"),
        ("V2", "v2"),
        ("Both", "both"),
    ] {
        let document = pulled.planned(&["--index-version", version]);
        assert_eq!(document["plan"]["indexVersion"], planned, "{version}");
    }
    let finished = pulled.plan(&["--index-version", "3"]).ends_with(2);
    finished.says("--index-version: invalid value `3`: expected one of v1, v2, both");
}

#[test]
fn understands_platforms_as_docker_does() {
    let images = ["linux/amd64", "linux/arm64", "linux/arm/v7"];
    let images = images.map(|platform| Image::new(platform).layer(random_layer(1, 3000)));
    let pulled = Pulled::of(&images);
    for (platforms, planned) in [
        ("amd64", json!(["linux/amd64"])),
        ("x86_64", json!(["linux/amd64"])),
        ("AArch64", json!(["linux/arm64"])),
        ("arm64/v8", json!(["linux/arm64/v8"])),
        ("arm/v7", json!(["linux/arm/v7"])),
        (
            "linux/amd64, linux/arm64",
            json!(["linux/amd64", "linux/arm64"]),
        ),
        ("amd64 arm64", json!(["linux/amd64", "linux/arm64"])),
        ("amd64,linux/amd64,", json!(["linux/amd64"])),
    ] {
        let document = pulled.planned(&["--platform", platforms]);
        assert_eq!(document["plan"]["platforms"], planned, "{platforms}");
        let tool = soci_tool(&pulled.sandbox).env("SOCI_PLATFORM", platforms);
        let tool = tool.stdin(pulled.line.clone()).run().succeeds();
        assert_eq!(tool.documents()[0]["plan"]["platforms"], planned);
    }
    for platform in ["apples", "linux/", "linux/amd64/v1/x", "amd64;arm64"] {
        let finished = pulled.plan(&["--platform", platform]).ends_with(2);
        finished
            .says(&format!("--platform: invalid value `{platform}`: expected"))
            .says("such as linux/amd64");
    }
}

/// An option wins over the variable of an option that cannot be used with it.
#[test]
fn the_platform_on_the_command_line_wins_over_a_variable_for_all_platforms() {
    let images = ["linux/amd64", "linux/arm64"];
    let images = images.map(|platform| Image::new(platform).layer(random_layer(1, 3000)));
    let pulled = Pulled::of(&images);
    let tool = soci_tool(&pulled.sandbox).env("SOCI_ALL_PLATFORMS", "true");
    let tool = tool.args(["--platform", "arm64"]);
    let document = &tool.stdin(pulled.line.clone()).run().succeeds().documents()[0];
    assert_eq!(document["plan"]["platforms"], json!(["linux/arm64"]));
    let tool = soci_tool(&pulled.sandbox).env("SOCI_ALL_PLATFORMS", "true");
    let finished = tool.env("SOCI_PLATFORM", "arm64").run().ends_with(2);
    finished.says("SOCI_PLATFORM cannot be used with SOCI_ALL_PLATFORMS");
}

/// A number of bytes that was most likely meant to have a unit is warned of.
#[test]
fn warns_of_a_small_size_without_a_unit() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    for (size, advice) in [
        ("1", "1 byte; did you mean 1MiB?"),
        ("10", "10 bytes; did you mean 10MiB?"),
        ("4096", "4096 bytes; did you mean 4096KiB?"),
        ("65535", "65535 bytes; did you mean 65535KiB?"),
    ] {
        for option in ["--min-layer-size", "--span-size"] {
            let finished = pulled.plan(&[option, size]).succeeds();
            finished.says(&format!("{option} (SOCI_")).says(advice);
        }
    }
    for size in ["0", "10B", "1kB", "1k", "65536", "10485760", "10MiB"] {
        let finished = pulled.plan(&["--min-layer-size", size]).succeeds();
        let stderr = &finished.stderr;
        assert!(!stderr.contains("did you mean"), "{size}: {stderr}");
    }
}

/// Returns the warnings and errors about the tag of an image, when it is planned.
fn warnings_of_tag(tag: &str, arguments: &[&str]) -> Vec<String> {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let mut document: Value = serde_json::from_slice(&pulled.line).expect("a document");
    document["image"] = json!(format!("registry.invalid/app:{tag}"));
    let tool = soci_tool(&pulled.sandbox).args(arguments);
    let finished = tool.stdin(document.to_string()).run().succeeds();
    assert_eq!(finished.documents().len(), 1);
    let lines = finished.stderr.lines().map(str::to_owned);
    lines.filter(|line| line.contains("-soci`")).collect()
}

/// A tag that becomes too long for registries is known before a layer is read.
#[test]
fn warns_of_a_derived_tag_that_is_too_long() {
    let longest = "x".repeat(123);
    assert!(warnings_of_tag(&longest, &[]).is_empty());
    for length in [124, 128] {
        let tag = "x".repeat(length);
        let warnings = warnings_of_tag(&tag, &[]);
        let [warning] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        assert!(warning.contains("warning: "), "{warning}");
        assert!(warning.contains("--tag of soci-push"), "{warning}");
        let characters = format!("has {} characters", length + 5);
        assert!(warning.contains(&characters), "{warning}");
        assert!(warnings_of_tag(&tag, &["--index-version", "v1"]).is_empty());
    }
}

#[test]
fn rejects_a_malformed_reference_to_reuse_from() {
    let sandbox = Sandbox::new();
    let tool = soci_tool(&sandbox).args(["--reuse-from", "app:v0,App:v0"]);
    let finished = tool.run().ends_with(2);
    finished.says("--reuse-from").says("`App:v0`");
    let tool = soci_tool(&sandbox).args(["--reuse-from", "user:canary-p@r.example/app:v0"]);
    let finished = tool.run().ends_with(2).says("`***@r.example/app:v0`");
    finished.says("docker login");
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

/// The list of files to prefetch may be a pipe, as a shell's `<(…)` gives, but not an endless file.
#[test]
fn reads_a_bounded_list_of_files_to_prefetch() {
    let pulled = Pulled::of(&[Image::new("linux/amd64").layer(random_layer(1, 3000))]);
    let plan = |list: &str| {
        let tool = soci_tool(&pulled.sandbox).args(["--prefetch-files-json", list]);
        tool.stdin(pulled.line.clone()).limit_memory().run()
    };
    let finished = plan("/dev/zero").ends_with(78);
    finished.says("/dev/zero").says("larger than 8 MiB");
    pulled.sandbox.write("list.json", r#"["/etc/name"]"#);
    let script = r#"mkfifo list; cat list.json > list & exec "$0" --prefetch-files-json list"#;
    let tool = pulled.sandbox.program("sh").args(["-c", script]);
    let tool = tool.arg(cargo_bin!("soci-plan"));
    let document = &tool.stdin(pulled.line.clone()).run().succeeds().documents()[0];
    assert_eq!(document["plan"]["prefetchFiles"], json!(["etc/name"]));
}
