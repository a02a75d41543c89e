//! What stands on stdin, and the exit status.

use std::{fs, path::Path};

use serde_json::{Value, json};
use soci_testkit::process::Sandbox;

use crate::{FORMATS, pushed, report, run, soci_tool};

fn failed(image: Option<&str>, exit: u8) -> String {
    let mut line = json!({"version": 1, "error": {"stage": "soci-pull", "exit": exit,
        "message": "tag `v9` not found", "hint": "push it first"}});
    if let Some(image) = image {
        line["image"] = image.into();
    }
    line.to_string()
}

#[test]
fn says_what_to_deploy() {
    let document = pushed();
    let tag = &document["push"]["tags"][0];
    let reference = |tag: &Value| {
        let text = |name: &str| tag[name].as_str().expect("text").to_owned();
        format!("{}@{}", text("tag"), text("digest"))
    };
    for format in FORMATS {
        let report = report(format, &document.to_string()).replace("<wbr>", "");
        assert!(report.contains(&reference(tag)), "{report}");
    }
}

#[test]
fn ends_with_the_status_of_the_first_failed_image() {
    let good = pushed().to_string();
    let missing = failed(Some("registry.example/missing:v1"), 80);
    let denied = failed(Some("registry.example/denied:v1"), 77);
    for format in FORMATS {
        let finished = run(format, &format!("{good}\n{missing}\n{denied}\n"));
        let finished = finished.ends_with(80);
        let text = finished.text().replace("<wbr>", "");
        for expected in ["missing:v1", "denied:v1", "soci-pull", "push it first"] {
            assert!(text.contains(expected), "{format}: {expected}: {text}");
        }
        run(format, &format!("{denied}\n{missing}\n{good}\n")).ends_with(77);
    }
}

#[test]
fn reports_a_stage_that_failed_without_an_image() {
    for format in FORMATS {
        let finished = run(format, &failed(None, 69)).ends_with(69);
        assert!(finished.text().contains("image not known"), "{finished:?}");
    }
}

#[test]
fn reports_a_partial_push_in_full_and_as_a_failure() {
    let mut partial = pushed();
    partial["error"] = json!({"stage": "soci-push", "exit": 76, "message": "refused a tag"});
    for format in FORMATS {
        let finished = run(format, &partial.to_string()).ends_with(76);
        for expected in ["pushed in part", "refused a tag", "linux/arm64"] {
            assert!(finished.text().contains(expected), "{format}: {expected}");
        }
    }
}

#[test]
fn reports_a_line_that_is_malformed_and_the_others() {
    let good = pushed().to_string();
    for format in FORMATS {
        let finished = run(format, &format!("{{\"version\":1,\n{good}\n")).ends_with(65);
        let finished = finished.says("not valid JSON");
        for expected in ["not valid JSON", "linux/amd64"] {
            assert!(finished.text().contains(expected), "{format}: {expected}");
        }
    }
}

/// H1: an empty standard input is the fault of the previous stage.
#[test]
fn reports_an_empty_input_with_a_status_of_its_own() {
    for nothing in ["", "\n  \n"] {
        let finished = run("html", nothing).ends_with(66);
        let finished = finished.says("no document on stdin");
        assert!(finished.stdout.is_empty());
    }
}

#[test]
fn reads_the_documents_of_earlier_releases() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/documents");
    let releases = fs::read_dir(directory).expect("documents");
    let mut count = 0;
    for release in releases {
        let files = fs::read_dir(release.expect("a folder").path()).expect("documents");
        for file in files {
            let lines = fs::read_to_string(file.expect("a file").path()).expect("documents");
            for format in FORMATS {
                report(format, &lines);
            }
            count += 1;
        }
    }
    assert!(count >= 4, "{count} files");
}

#[test]
fn reads_tags_without_digests() {
    let mut document = pushed();
    let tags = document["push"]["tags"].as_array_mut().expect("tags");
    for tag in tags {
        *tag = tag["tag"].clone();
    }
    let push = document["push"].as_object_mut().expect("fields");
    push.remove("indexes");
    let digest = document["converted"]["digest"].as_str().expect("a digest");
    let report = report("text", &document.to_string());
    assert!(report.contains(&format!("-soci@{digest}\n")), "{report}");
}

#[test]
fn is_text_unless_another_format_is_asked_for() {
    let sandbox = Sandbox::new();
    let line = pushed().to_string();
    let tool = || soci_tool(&sandbox).stdin(line.clone());
    let text = tool().run().succeeds();
    assert_eq!(text.text(), report("text", &line));
    let html = tool().env("SOCI_REPORT_FORMAT", "html").run().succeeds();
    assert_eq!(html.text(), report("html", &line));
    let finished = tool().args(["--format", "pdf"]).run().ends_with(2);
    finished.says("markdown").says("html");
    assert!(!sandbox.store().exists(), "a report needs no store");
}
