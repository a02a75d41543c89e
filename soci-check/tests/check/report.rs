//! The report for a reader.

use soci_testkit::faulty::Faulty;

use crate::{Golden, soci_tool};

#[test]
fn the_first_line_answers_whether_the_tag_starts_lazily_on_fargate() {
    let golden = Golden::new();
    let layout = format!("oci:{}", golden.folder.join("v2").display());
    let tool = soci_tool(&golden.sandbox).args(["--format", "text", &layout]);
    let finished = tool.run().succeeds();
    let lines: Vec<&str> = finished.text().lines().collect();
    let answer = "yes, the tag starts lazily on Fargate once it is in a private repository of Amazon ECR: 2 of 3 layers, 97 % of bytes lazy";
    assert_eq!(lines[0], format!("{layout}: {answer}"));
    for begin in [
        "  index     linux/amd64: version 2, sha256:",
        "  proved    2 ztocs",
        "  note      ",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(begin)),
            "{begin}: {lines:#?}"
        );
    }
    assert!(!finished.text().contains("findings of these rules"));
}

#[test]
fn a_finding_has_its_rule_its_meaning_and_its_cure() {
    let golden = Golden::new();
    let registry = Faulty::start();
    golden.push_converted(&registry);
    registry.remove(&golden.ztoc());
    let reference = format!("{}/app:v1-soci", registry.host());
    let tool = soci_tool(&golden.sandbox).args(["--format", "text", &reference]);
    let finished = tool.run().ends_with(1);
    let text = finished.text();
    let first = text.lines().next().expect("a line");
    let begin =
        format!("{reference}: no, the tag does not start lazily on Fargate: 1 error, ztoc-missing");
    assert!(first.starts_with(&begin), "{first}");
    assert!(
        text.contains("\n  error     ztoc-missing: ztoc `sha256:"),
        "{text}"
    );
    assert!(
        text.contains("one missing blob disables the whole SOCI index"),
        "{text}"
    );
    assert!(
        text.contains("to do: push the image and its SOCI index again"),
        "{text}"
    );
}
