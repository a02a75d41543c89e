//! References: malformed ones, images that do not exist, and several images in one run.

use std::net::TcpListener;

use serde_json::{Value, json};
use soci_testkit::{
    faulty::Faulty,
    image::{self, Image, random_layer},
    process::Sandbox,
    store::files_below,
};

use crate::{assert_fails, soci_tool};

/// Runs `soci-pull` on one reference, which must fail with a message about it.
#[track_caller]
fn assert_pull_fails(sandbox: &Sandbox, reference: &str, code: i32, says: &[&str]) {
    let finished = soci_tool(sandbox).arg(reference).run();
    let prefix = format!("soci-pull: error: {reference}: ");
    assert_fails(sandbox, finished, code, says).says(&prefix);
}

#[test]
fn rejects_malformed_references_as_usage_errors() {
    let sandbox = Sandbox::new();
    for reference in ["UPPER/case:v1", "a//b", "a@sha256:00", "oci:", "a:b:c"] {
        let says = ["expected [registry/]repository[:tag][@digest]"];
        assert_pull_fails(&sandbox, reference, 2, &says);
    }
    // The reference stands in the message once.
    let said = soci_tool(&sandbox).arg("UPPER/case:v1").run().stderr;
    assert_eq!(said.matches("UPPER/case:v1").count(), 1, "{said}");
    assert!(files_below(&sandbox.store().join("blobs")).is_empty());
}

#[test]
fn tells_what_to_write_instead_of_other_tools_references() {
    let sandbox = Sandbox::new();
    for (reference, says) in [
        ("docker://debian:12", "drop `docker://`"),
        ("https://registry.example/app:v1", "drop `https://`"),
        ("docker-daemon:app:v1", "`docker-archive:app.tar`"),
        ("dir:/tmp/image", "`oci:LAYOUT`"),
        ("oci-dir:image:v1", "`oci:`"),
        (
            "containers-storage:localhost/app:v1",
            "`oci-archive:app.tar`",
        ),
    ] {
        assert_pull_fails(&sandbox, reference, 2, &[says]);
    }
    assert!(files_below(&sandbox.store().join("blobs")).is_empty());
}

/// A name that exists here is never taken for a repository of Docker Hub.
#[test]
fn refuses_the_name_of_a_file_or_folder() {
    let sandbox = Sandbox::new();
    let image = Image::new("linux/amd64").layer(random_layer(1, 3000));
    image::write_layout(&sandbox.path().join("layout"), &[image]);
    sandbox.write("app.tar", "");
    let absolute = sandbox.path().join("layout");
    let absolute = absolute.to_str().expect("text");
    for (reference, says) in [
        ("layout", "write `oci:layout`"),
        ("layout:latest", "write `oci:layout:latest`"),
        ("./layout", "write `oci:./layout`"),
        ("layout/", "write `oci:layout/`"),
        ("../nowhere", "write `oci:../nowhere`"),
        (
            "app.tar",
            "write `oci-archive:app.tar` or `docker-archive:app.tar`",
        ),
        ("layout/index.json", "write `oci-archive:layout/index.json`"),
        (absolute, &format!("write `oci:{absolute}`")),
    ] {
        assert_pull_fails(&sandbox, reference, 2, &[says]);
    }
    let stdin = soci_tool(&sandbox).stdin("layout\n").run();
    assert_fails(&sandbox, stdin, 2, &["write `oci:layout`"]);
    let says = [
        "write `oci:layout` for",
        "`docker.io/library/layout:latest` for",
    ];
    assert_pull_fails(&sandbox, "layout", 2, &says);
    soci_tool(&sandbox).arg("oci:layout").run().succeeds();
}

#[test]
fn names_what_is_not_found() {
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("image");
    image::write_layout(
        &layout,
        &[Image::new("linux/arm64").layer(random_layer(1, 3000))],
    );
    let registry = Faulty::start();
    registry.push(&layout, "app:v1");
    let host = registry.host();
    let digest = image::digest(b"absent");
    for (reference, says) in [
        (format!("{host}/app:v2"), &["v2", "not found"][..]),
        (format!("{host}/nothing:v1"), &["nothing", "not found"]),
        (format!("{host}/app@{digest}"), &[&digest]),
        ("oci:image:v2".to_owned(), &["v2", "latest"]),
        ("oci:nowhere".to_owned(), &["nowhere"]),
        ("oci-archive:nowhere.tar".to_owned(), &["nowhere.tar"]),
    ] {
        assert_pull_fails(&sandbox, &reference, 80, says);
    }
}

/// B2: a registry that refuses connections is unavailable.
#[test]
fn reports_a_registry_that_refuses_connections() {
    // Once the listener is gone, the port refuses connections.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = listener.local_addr().expect("the port that was bound");
    drop(listener);
    let sandbox = Sandbox::new();
    let says = [
        "connection to the registry failed",
        "Connection refused",
        "(6 tries",
    ];
    assert_pull_fails(&sandbox, &format!("{host}/app:v1"), 69, &says);
}

/// A registry with the images `a:v1` and `b:v1`.
fn two_images() -> Faulty {
    let registry = Faulty::start();
    for (seed, name) in [(1, "a:v1"), (2, "b:v1")] {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let image = Image::new("linux/amd64").layer(random_layer(seed, 3000));
        image::write_layout(&layout, &[image]);
        registry.push(&layout, name);
    }
    registry
}

#[test]
fn exits_with_the_status_of_the_first_of_several_failures() {
    let registry = two_images();
    let host = registry.host();
    let sandbox = Sandbox::new();
    let malformed = format!("{host}/UPPER:v1");
    let absent = format!("{host}/a:v2");
    let good = format!("{host}/a:v1");
    for (references, exits) in [
        (
            [&malformed, &absent, &good],
            [json!(2), json!(80), Value::Null],
        ),
        (
            [&absent, &good, &malformed],
            [json!(80), Value::Null, json!(2)],
        ),
    ] {
        let lines = references
            .map(|reference| format!("{reference}\n"))
            .concat();
        let from_arguments = soci_tool(&sandbox).args(references).run();
        for finished in [from_arguments, soci_tool(&sandbox).stdin(lines).run()] {
            let code = exits[0].as_i64().expect("a failure");
            let finished = finished.ends_with(i32::try_from(code).expect("a status"));
            let finished = finished.says(&absent).says(&malformed);
            let documents = finished.documents();
            let images: Vec<_> = documents
                .iter()
                .map(|document| &document["image"])
                .collect();
            assert_eq!(images, references);
            let found: Vec<_> = documents
                .iter()
                .map(|document| &document["error"]["exit"])
                .collect();
            assert_eq!(found, exits.iter().collect::<Vec<_>>());
        }
    }
}

/// A text that is no reference, or nothing, is a failed image like another.
#[test]
fn pulls_the_images_around_a_malformed_reference() {
    let registry = two_images();
    let host = registry.host();
    let sandbox = Sandbox::new();
    let (first, last) = (format!("{host}/a:v1"), format!("{host}/b:v1"));
    for malformed in ["BAD REF", "a b", "", "oci:", "https://user@h/a"] {
        let tool = soci_tool(&sandbox).args([first.as_str(), malformed, &last]);
        let documents = tool.run().ends_with(2).documents();
        let images: Vec<_> = documents
            .iter()
            .map(|document| &document["image"])
            .collect();
        let shown = malformed.replace("user@", "***@");
        assert_eq!(images, [&first, &shown, &last]);
        assert_eq!(documents[1]["error"]["stage"], "soci-pull");
        assert_eq!(documents[1]["error"]["exit"], 2);
    }
    let lines = [first.as_bytes(), b"\n\xff\n", last.as_bytes()].concat();
    let finished = soci_tool(&sandbox).stdin(lines).run().ends_with(2);
    let documents = finished.says("not UTF-8").documents();
    assert_eq!(documents[1]["error"]["exit"], 2);
    assert!(documents[1].get("image").is_none(), "{}", documents[1]);
    assert_eq!(finished_images(&documents), [first, last]);
}

/// Returns the images that did not fail.
fn finished_images(documents: &[Value]) -> Vec<String> {
    let done = documents
        .iter()
        .filter(|document| document["error"].is_null());
    let image = |document: &Value| document["image"].as_str().map(str::to_owned);
    done.filter_map(image).collect()
}

#[test]
fn reads_references_and_documents_from_stdin() {
    let registry = two_images();
    let host = registry.host();
    let sandbox = Sandbox::new();
    let lines = format!("{host}/a:v1\n\n  {host}/b:v1  \n");
    let pulled = soci_tool(&sandbox).stdin(lines).run().succeeds();
    let documents = pulled.documents();
    let images: Vec<_> = documents
        .iter()
        .map(|document| document["image"].clone())
        .collect();
    assert_eq!(images, [format!("{host}/a:v1"), format!("{host}/b:v1")]);
    // What was pulled can be pulled again: a line that is a document is accepted.
    let again = soci_tool(&sandbox).stdin(pulled.stdout).run().succeeds();
    assert_eq!(again.documents(), documents);
}

/// H3: a document without its fields is bad data.
#[test]
fn rejects_an_incomplete_document() {
    let sandbox = Sandbox::new();
    let finished = soci_tool(&sandbox).stdin("{\"version\": 1}\n").run();
    assert_fails(&sandbox, finished, 65, &["missing or malformed"]);
}
