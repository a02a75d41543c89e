//! Passwords in references, and characters that act on what displays them.

use serde_json::json;
use soci_testkit::{process::Sandbox, terminal};

use super::Prepared;

/// References with a password.
const PASSWORDS: [&str; 6] = [
    "user:canary-p@r.example/app:v1",
    "https://user:canary-p@r.example/app:v1",
    "docker://user:canary-p@r.example/app:v1",
    "oci://canary-p@r.example/app",
    "user:canary/p@x:y@localhost:1/app",
    "user:canary-p 'p`p\"@localhost:1/app@sha256:00",
];

/// Characters that hide or reorder text, or control a terminal.
const HOSTILE: &str = "a\u{202e}b\u{2066}c\u{200b}d\u{2028}e\u{9b}31mf\u{1b}[2Jg\u{e0041}h\u{feff}";

/// Returns whether a text has a character of [`HOSTILE`] that is not visible.
fn acts(text: &str) -> bool {
    text.contains(|character: char| HOSTILE.contains(character) && !character.is_ascii_graphic())
}

/// The output of each tool that a test runs is searched for secrets.
#[test]
fn prints_no_password_of_the_command_line() {
    let sandbox = Sandbox::new();
    for reference in PASSWORDS {
        for format in ["text", "json"] {
            let tool = crate::soci_tool(&sandbox).env("SOCI_LOG_FORMAT", format);
            let tool = tool.env("SOCI_VERBOSE", "2").arg(reference);
            tool.stdin(reference).run().ends_with(2);
            let unknown = crate::soci_tool(&sandbox).arg(format!("--unknown={reference}"));
            unknown.run().ends_with(2);
        }
        for name in [
            "SOCI_FORMAT",
            "SOCI_LOG_FORMAT",
            "SOCI_QUIET",
            "SOCI_VERBOSE",
        ] {
            let tool = crate::soci_tool(&sandbox).env(name, reference);
            tool.run().ends_with(2).says(name);
        }
    }
}

/// H10: a document whose image has a password.
#[test]
fn refuses_a_document_whose_image_has_a_password() {
    let prepared = Prepared::new();
    for reference in PASSWORDS {
        let mut edited = prepared.document();
        edited["image"] = reference.into();
        let finished = prepared.assert_rejected(edited.to_string());
        let finished = finished.says("holds a user name or a password");
        let finished = finished.says("docker login").says("SOCI_PASSWORD");
        let image = finished.documents()[0]["image"].clone();
        let image = image.as_str().expect("a text");
        assert!(image.contains("***@"), "{image}");
        // What a stage has written is read by the next one.
        let next = prepared.tool().stdin(finished.stdout.clone()).run();
        assert_eq!(next.ends_with(65).stdout, finished.stdout);
    }
    let mut edited = prepared.document();
    edited["plan"] = json!({"platforms": ["all"], "minLayerSize": 0, "spanSize": 1 << 20,
        "indexVersion": "v2", "reuseFrom": [PASSWORDS[0]]});
    prepared.assert_rejected(edited.to_string());
}

/// What came with a password in an error is passed on, but not displayed.
#[test]
fn displays_no_password_of_an_earlier_stage() {
    let prepared = Prepared::new();
    let failed = json!({"version": 1, "image": "b:v1", "error": {"stage": "soci-pull", "exit": 80,
        "message": "cannot reach https://user:canary-p@proxy.example:3128, nor u:canary-p@r.example"}});
    let line = failed.to_string();
    let text = terminal::run(
        &prepared.sandbox,
        prepared.tool(),
        line.as_bytes(),
        "2>errors",
    );
    assert!(text.text().contains("https://***@proxy.example:3128"));
}

/// H11: characters that act on a terminal are visible escapes.
#[test]
fn escapes_what_acts_on_a_terminal() {
    let prepared = Prepared::new();
    let broken = json!({"version": 1, "image": HOSTILE, "root": 7}).to_string();
    for format in ["text", "json"] {
        let tool = prepared.tool().env("SOCI_LOG_FORMAT", format);
        let finished = tool.stdin(broken.clone()).run().ends_with(65);
        let stderr = &finished.stderr;
        assert!(!acts(&stderr.replace('\n', "")), "{stderr:?}");
        assert!(stderr.contains("202e"), "{stderr:?}");
        let image = &finished.documents()[0]["image"];
        assert!(!acts(image.as_str().expect("a text")), "{image}");
        let unknown = prepared.tool().env("SOCI_LOG_FORMAT", format);
        let finished = unknown.arg(format!("--{HOSTILE}")).run().ends_with(2);
        let stderr = finished.stderr.replace('\n', "");
        assert!(!acts(&stderr), "{stderr:?}");
    }
    let failed = json!({"version": 1, "image": HOSTILE,
        "error": {"stage": HOSTILE, "exit": 80, "message": HOSTILE}});
    let line = failed.to_string();
    let shown = terminal::run(
        &prepared.sandbox,
        prepared.tool(),
        line.as_bytes(),
        "2>errors",
    );
    let shown = shown.text().replace(['\n', '\r'], "");
    assert!(!acts(&shown) && shown.contains("\\u{202e}"), "{shown:?}");
}
