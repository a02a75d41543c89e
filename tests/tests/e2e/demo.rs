//! What `make demo` shows a user who has no registry, no account and no Docker.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};
use soci_testkit::{document::tag_names, process::Sandbox, workspace};

/// Makes a folder with the script, the Makefile, and the tools as `make build` leaves them.
fn clone_with_tools() -> Sandbox {
    let sandbox = Sandbox::new();
    let root = workspace::root();
    for name in ["Makefile", "scripts/demo.sh"] {
        let path = sandbox.write(name, "");
        fs::copy(root.join(name), path).expect("a new file");
    }
    fs::create_dir(sandbox.path().join("target")).expect("a new folder");
    let tool = workspace::bin("soci-pull");
    let tools = tool.parent().expect("the folder of the tools");
    symlink(tools, sandbox.path().join("target/release")).expect("a new link");
    sandbox
}

#[test]
fn the_demo_makes_an_image_and_indexes_it() {
    let sandbox = clone_with_tools();
    let make = sandbox.program("make").args(["-o", "build", "demo"]);
    let shown = make.run().succeeds().says("soci-index | soci-push");
    assert!(shown.text().contains("layers"), "{}", shown.text());
    let read = |name: &str| -> Value {
        let bytes = fs::read(sandbox.path().join("demo").join(name)).expect("a file of the demo");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let document = read("pushed.json");
    assert_eq!(document.get("error"), None);
    assert_eq!(tag_names(&document), json!(["oci:demo/image:latest-soci"]));
    // The image, its index of version 1, and the converted image.
    let index = read("image/index.json");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(3));
    let report = fs::read_to_string(sandbox.path().join("demo/report.html"));
    assert!(report.expect("a report").contains("<table"));
}
