//! Documents that are none, or that say what is not so; and a pipe that is closed.

use std::{fs::File, process::Stdio};

use serde_json::{Value, json};
use soci_testkit::process::{Finished, Sandbox};

use super::with_image;
use crate::stages::{assert_sound, indexed, notes, one, planned, stage};

const READERS: [&str; 3] = ["soci-plan", "soci-index", "soci-push"];

fn plan(sandbox: &Sandbox) -> Value {
    let pulled = stage(sandbox, "soci-pull")
        .arg("oci:image")
        .run()
        .succeeds()
        .stdout;
    let plan = stage(sandbox, "soci-plan")
        .args(["--platform", "linux/arm64"])
        .stdin(pulled);
    one(plan.run().succeeds().documents())
}

#[track_caller]
fn refuses(sandbox: &Sandbox, tool: &str, line: impl Into<Vec<u8>>) -> Finished {
    let ended = stage(sandbox, tool).stdin(line).run().ends_with(65);
    assert!(ended.stdout.is_empty(), "{}", ended.text());
    assert_sound(&sandbox.store());
    ended
}

#[test]
fn lines_that_are_no_documents_are_bad_data() {
    let sandbox = with_image();
    let whole = plan(&sandbox).to_string();
    for tool in READERS {
        refuses(&sandbox, tool, "no JSON\n").says("not valid JSON at byte");
        refuses(&sandbox, tool, "[]\n").says("missing or malformed");
        refuses(&sandbox, tool, "{}\n").says("missing or malformed");
        for end in [1, whole.len() / 2, whole.len() - 1] {
            refuses(&sandbox, tool, &whole.as_bytes()[..end]).says("not valid JSON at byte");
        }
    }
    refuses(&sandbox, "soci-pull", "{\"version\": 1}\n").says("missing or malformed");
}

#[test]
fn documents_of_a_later_version_are_bad_data() {
    let sandbox = with_image();
    let mut later = plan(&sandbox);
    later["version"] = json!(2);
    for tool in READERS {
        let ended = refuses(&sandbox, tool, later.to_string());
        ended.says("version 2").says("version 1");
    }
}

#[test]
fn one_bad_line_does_not_keep_the_others_back() {
    let sandbox = with_image();
    let good = plan(&sandbox).to_string();
    let lines = format!("{good}\nno JSON\n{good}\n");
    let ended = stage(&sandbox, "soci-index")
        .stdin(lines)
        .run()
        .ends_with(65);
    assert_eq!(ended.documents().len(), 2);
}

#[test]
fn an_empty_stdin_is_the_fault_of_the_stage_before() {
    let sandbox = Sandbox::new();
    for tool in READERS {
        for nothing in ["", "\n  \n"] {
            let ended = stage(&sandbox, tool).stdin(nothing).run().ends_with(66);
            assert!(ended.says("no document on stdin").stdout.is_empty());
        }
    }
    stage(&sandbox, "soci-pull")
        .run()
        .ends_with(66)
        .says("no reference is given");
}

#[test]
fn a_stage_whose_reader_is_gone_ends_without_a_word() {
    let sandbox = with_image();
    let pulled = stage(&sandbox, "soci-pull").arg("oci:image").run();
    let pulled = pulled.succeeds().stdout;
    let planned = plan(&sandbox).to_string().into_bytes();
    let indexed = stage(&sandbox, "soci-index").stdin(planned.clone()).run();
    let indexed = indexed.succeeds().stdout;
    for (tool, line) in [
        ("soci-pull", pulled.clone()),
        ("soci-plan", pulled),
        ("soci-index", planned),
        ("soci-push", indexed),
    ] {
        let input = sandbox.write("input.json", line);
        // The pipe has nobody at its end, as that of `head -c0` once it is done.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let platform = stage(&sandbox, tool).env("SOCI_PLATFORM", "linux/arm64");
        let mut command = platform.into_command();
        command.stdin(File::open(&input).unwrap()).stdout(writer);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(141), "{tool}: {said}");
        assert!(!said.contains("pipe"), "{tool} blames itself: {said}");
    }
}

#[test]
fn a_document_without_a_plan_is_sent_back_to_the_planner() {
    let sandbox = with_image();
    let pulled = stage(&sandbox, "soci-pull")
        .arg("oci:image")
        .run()
        .succeeds()
        .stdout;
    refuses(&sandbox, "soci-index", pulled.clone()).says("soci-plan");
    refuses(&sandbox, "soci-push", pulled).says("soci-index");
    let plan = plan(&sandbox).to_string();
    refuses(&sandbox, "soci-push", plan).says("soci-index");
}

/// Changes the layers of a manifest; the digest is another layer's.
type Edit = fn(&mut Value, &Value);

#[test]
fn layers_that_were_edited_to_point_elsewhere_are_refused() {
    let sandbox = with_image();
    let plan = plan(&sandbox);
    let digest = plan["manifests"][1]["layers"][0]["descriptor"]["digest"].clone();
    let edits: [(&str, Edit); 4] = [
        ("digest", |layers, digest| {
            layers[0]["descriptor"]["digest"] = digest.clone();
        }),
        ("size", |layers, _| {
            layers[0]["descriptor"]["size"] = json!(1);
        }),
        ("media type", |layers, _| {
            layers[0]["descriptor"]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
        }),
        ("removed", |layers, _| *layers = json!([])),
    ];
    for (what, edit) in edits {
        let mut edited = plan.clone();
        edit(&mut edited["manifests"][0]["layers"], &digest);
        let ended = refuses(&sandbox, "soci-index", edited.to_string());
        let manifest = plan["manifests"][0]["descriptor"]["digest"]
            .as_str()
            .unwrap();
        ended
            .says("are not those of the manifest in the store")
            .says(manifest);
        assert_eq!(notes(&sandbox), 0, "{what}");
    }
}

#[test]
fn an_index_that_is_not_in_the_store_is_not_pushed() {
    let sandbox = Sandbox::new();
    soci_testkit::image::write_layout(
        &sandbox.path().join("image"),
        &[soci_testkit::image::Image::new("linux/amd64").layer(crate::stages::layer(1, 3000))],
    );
    let line = indexed(&sandbox, "oci:image");
    let before = crate::stages::files_below(&sandbox.path().join("image"));
    let ended = stage(&sandbox, "soci-push")
        .arg("--store=elsewhere")
        .stdin(line)
        .run();
    let ended = ended
        .ends_with(80)
        .says("push from the store in which the index was built");
    assert!(ended.stdout.is_empty());
    assert_eq!(
        crate::stages::files_below(&sandbox.path().join("image")),
        before
    );
    // The same holds for a plan without the manifests that it speaks of.
    let plan = planned(&sandbox, "oci:image");
    let ended = stage(&sandbox, "soci-index")
        .arg("--store=elsewhere")
        .stdin(plan)
        .run();
    assert!(
        ended
            .ends_with(80)
            .says("pull the image again into this store")
            .stdout
            .is_empty()
    );
}
