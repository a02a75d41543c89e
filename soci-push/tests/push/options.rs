//! Tags, dry runs and other destinations.

use std::fs;

use serde_json::json;
use soci_testkit::{
    document::tag_names,
    faulty::{Contents, Faulty},
    image,
};

use crate::{IndexedImage, pushed, two_layers};

#[test]
fn fills_in_the_placeholders_of_tags() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let push = image.push(&registry).args([
        "--tag", "{tag}-x", "--tag", "{arch}", "--tag", "{digest}", "--tag", "{tag}-x",
    ]);
    let document = pushed(push.run());
    let root = document["root"]["digest"].as_str().expect("a digest");
    let hex = root.trim_start_matches("sha256:");
    let full = |tag: &str| format!("{}/app:{tag}", registry.host());
    let expected = json!([full("v1-x"), full("amd64"), full(hex)]);
    assert_eq!(tag_names(&document), expected);
    let tags = registry.tags("app");
    for tag in ["v1-x", "amd64", hex] {
        assert_eq!(document["converted"]["digest"], json!(tags[tag]));
    }
    assert!(!tags.contains_key("v1-soci"), "{tags:?}");
}

#[test]
fn rejects_an_unknown_placeholder_before_it_writes() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let push = image.push(&registry).args(["--tag", "{nothing}"]);
    let finished = push.run().ends_with(2).says("tag `{nothing}`");
    finished.writes_only_its_failure();
    assert_eq!(registry.count("POST|PUT|PATCH|DELETE", "*"), 0);
}

#[test]
fn writes_nothing_in_a_dry_run_and_says_what_it_would_push() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    let before = Contents::of(&registry);
    let dry = pushed(image.push(&registry).arg("--dry-run").run());
    assert_eq!(registry.count("POST|PUT|PATCH|DELETE", "*"), 0);
    assert_eq!(Contents::of(&registry), before);
    let real = pushed(image.push(&registry).run());
    for field in ["uploaded", "existing", "bytes", "tags", "repository"] {
        assert_eq!(dry["push"][field], real["push"][field], "{field}");
    }
    assert_eq!(dry["push"]["dryRun"], true);
    assert!(real["push"].get("dryRun").is_none());
}

#[test]
fn makes_no_layout_and_no_archive_in_a_dry_run() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    for to in ["oci:out", "oci-archive:out.tar"] {
        let push = image.push(&registry).args(["--to", to, "--dry-run"]);
        let document = pushed(push.run());
        assert!(document["push"]["uploaded"].as_u64() > Some(0));
        assert_eq!(document["push"]["dryRun"], true);
        for name in ["out", "out.tar"] {
            assert!(!image.sandbox.path().join(name).exists());
        }
    }
}

/// A destination that exists and is a named pipe or a device is not waited for.
#[test]
fn refuses_a_destination_that_is_no_regular_file() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let path = image.sandbox.path();
    let make_pipe = |name: &str| image.sandbox.program("mkfifo").arg(name).run().succeeds();
    make_pipe("pipe");
    for (layout, file) in [("one", "oci-layout"), ("two", "index.json")] {
        fs::create_dir(path.join(layout)).expect("a new folder");
        if file == "index.json" {
            let marker = r#"{"imageLayoutVersion":"1.0.0"}"#;
            fs::write(path.join(layout).join("oci-layout"), marker).expect("a new file");
        }
        make_pipe(&format!("{layout}/{file}"));
    }
    for (to, found) in [
        ("oci-archive:pipe", "it is a named pipe"),
        ("oci-archive:/dev/null", "it is a device"),
        ("oci:one", "its `oci-layout` is a named pipe"),
        ("oci:two", "its `index.json` is a named pipe"),
    ] {
        let push = image.push(&registry).args(["--to", to]).limit_memory();
        push.run().ends_with(65).says(found);
    }
}

/// A destination that is not written, or that is the name of a folder, is refused at once.
#[test]
fn refuses_destinations_that_cannot_be_meant() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    image.sandbox.write("folder/file", "");
    for (to, says) in [
        ("docker-archive:out.tar", "`oci-archive:FILE`"),
        ("folder", "write `oci:folder`"),
        ("docker://registry.example/app", "drop `docker://`"),
    ] {
        for dry_run in [false, true] {
            let push = image.push(&registry).args(["--to", to]);
            let push = if dry_run { push.arg("--dry-run") } else { push };
            let finished = push.run().ends_with(2).says(says).says("--to");
            finished.writes_only_its_failure();
        }
    }
    assert_eq!(registry.count("POST|PUT|PATCH|DELETE", "*"), 0);
}

#[test]
fn pushes_again_from_its_input_or_its_output() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let first = image.push(&registry).run().succeeds();
    let input = image.line_for(&registry.host()).into_bytes();
    for line in [input, first.stdout] {
        let again = pushed(image.push(&registry).stdin(line).run());
        assert_eq!(again["push"]["uploaded"], 0);
    }
}

#[test]
fn copies_the_whole_image_to_another_registry() {
    let image = IndexedImage::of(&two_layers());
    let (from, to) = (Faulty::start(), Faulty::start());
    let target = format!("{}/copy:fast", to.host());
    let document = pushed(image.push(&from).args(["--to", &target]).run());
    assert!(to.broken("copy", "fast").is_empty());
    let tag = to.manifest("copy", "fast").expect("the tag");
    assert_eq!(document["converted"]["digest"], tag.digest);
    assert_eq!(image::digest(tag.bytes()), tag.digest);
    assert_eq!(tag_names(&document), json!([target]));
    assert_eq!(from.count("POST|PUT|PATCH|DELETE", "*"), 0);
    let again = pushed(image.push(&from).args(["--to", &target]).run());
    assert_eq!(again["push"]["uploaded"], 0);
}

/// The misspelled variable of a dry run pushes, so it must at least be warned of.
#[test]
fn warns_of_a_misspelled_dry_run_and_obeys_every_spelling_of_a_boolean() {
    let image = IndexedImage::of(&two_layers());
    for value in ["1", "true", "TRUE", "yes", "on"] {
        let registry = Faulty::start();
        let push = image.push(&registry).env("SOCI_DRY_RUN", value);
        assert_eq!(pushed(push.run())["push"]["dryRun"], true, "{value}");
        assert_eq!(registry.count("POST|PUT|PATCH|DELETE", "*"), 0);
    }
    for value in ["", "0", "false", "no"] {
        let registry = Faulty::start();
        let push = image.push(&registry).env("SOCI_DRY_RUN", value);
        assert!(
            pushed(push.run())["push"].get("dryRun").is_none(),
            "{value}"
        );
    }
    let registry = Faulty::start();
    let push = image.push(&registry).env("SOCI_DRYRUN", "1").run();
    let push = push.says("unknown variable SOCI_DRYRUN; did you mean SOCI_DRY_RUN?");
    assert!(pushed(push)["push"].get("dryRun").is_none());
}

#[test]
fn understands_durations_with_units_and_names_in_any_case() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    for duration in ["30", "30s", "2m", "1.5", "500ms", "1h", "1m30s", "2M"] {
        let push = image.push(&registry).args(["--idle-timeout", duration]);
        pushed(push.args(["--existing-index", "SKIP", "--dry-run"]).run());
        let push = image.push(&registry).env("SOCI_RETRY_WAIT", duration);
        pushed(push.arg("--dry-run").run());
    }
    for duration in [
        "0",
        "-1",
        "1e3",
        "inf",
        "0x10",
        "25h",
        "99999999999999999999h",
    ] {
        let push = image.push(&registry).args(["--idle-timeout", duration]);
        let finished = push.run().ends_with(2);
        finished.says(&format!("--idle-timeout: invalid value `{duration}`"));
        let push = image.push(&registry).env("SOCI_IDLE_TIMEOUT", duration);
        let finished = push.run().ends_with(2).says("such as 500ms or 2m");
        finished.says(&format!("SOCI_IDLE_TIMEOUT: invalid value `{duration}`"));
    }
}

/// H10: a password in a destination or a tag is neither printed nor written.
#[test]
fn refuses_a_password_in_a_destination_or_a_tag() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    for arguments in [
        ["--to", "user:canary-p@r.example/app:v1"],
        ["--to", "https://user:canary-p@r.example/app"],
        ["--to", "user:canary-p{tag}@r.example/app"],
        ["--tag", "user:canary-p@r.example/app"],
        ["--tag", "user:canary-p{nothing}@r.example"],
    ] {
        let finished = image.push(&registry).args(arguments).run();
        finished.ends_with(2).says("***@").writes_only_its_failure();
    }
    let finished = image.push(&registry).args(["--to", "oci:copy"]);
    let finished = finished
        .args(["--tag", "user:canary-p@r.example/app"])
        .run();
    finished.ends_with(2).says("***@").writes_only_its_failure();
    for variable in ["SOCI_TO", "SOCI_TAG"] {
        let push = image
            .push(&registry)
            .env(variable, "user:canary-p@r.example/app");
        push.run().ends_with(2).says("***@r.example");
    }
    assert_eq!(registry.count("POST|PUT|PATCH|DELETE", "*"), 0);
}
