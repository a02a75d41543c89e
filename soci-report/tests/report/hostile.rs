//! Text from documents that tries to be markup, or to control a terminal.

use serde_json::{Value, json};

use crate::markup::tags;
use crate::{FORMATS, pushed, run};

/// Texts that would act in HTML, in an attribute, in Markdown, or on a terminal.
const HOSTILE: [&str; 10] = [
    "\"><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "</title></style><img src=http://evil.example/x>",
    "a | b | c",
    "`x` **y** [z](http://evil.example) <b>",
    "```\n# heading\n| a |",
    "\u{1b}[2J\u{1b}]0;title\u{7}\r",
    "\u{202e}gnp.exe\u{200b}",
    "\u{2066}a\u{2028}b\u{e0041}\u{9b}31m\u{feff}\u{61c}",
    "@user a@b.example #1 $x$ https://evil.example www.evil.example",
];

/// Returns the lines of a pushed image, and of one that failed, with a text wherever a document may
/// have any text.
fn lines(text: &str) -> String {
    let mut document = pushed();
    document["plan"]["platforms"] = json!([text]);
    document["plan"]["prefetchFiles"] = json!([text]);
    document["push"]["repository"] = text.into();
    document["push"]["tags"][0]["tag"] = text.into();
    document["timing"][text] = json!({"seconds": 1.0, "bytes": 1});
    document["mine"] = text.into();
    let manifest = &mut document["manifests"][0];
    manifest["artifactType"] = text.into();
    for platform in ["/platform", "/descriptor/platform", "/plan/platform"] {
        let platform = manifest.pointer_mut(platform).expect("a platform");
        *platform = json!({"os": text, "architecture": text, "variant": text});
    }
    let layer = &mut manifest["layers"][0];
    layer["descriptor"]["annotations"] = json!({text: text});
    layer["descriptor"]["urls"] = json!([text]);
    layer["reused"] = "soci-index".into();
    layer["reusedFrom"] = text.into();
    manifest["layers"][4]["descriptor"]["mediaType"] = format!("x+{text}").into();
    let error = json!({"stage": text, "exit": 76, "message": text, "hint": text});
    let failed = json!({"version": 1, "image": text, "error": error});
    let mut partial = document.clone();
    partial["error"] = error_of(&failed);
    format!("{document}\n{failed}\n{partial}\n")
}

fn error_of(failed: &Value) -> Value {
    failed["error"].clone()
}

#[test]
fn no_format_has_characters_that_act_on_a_display() {
    for text in HOSTILE {
        for format in FORMATS {
            let finished = run(format, &lines(text)).ends_with(76);
            let acts = |character: char| {
                (character.is_control() && character != '\n')
                    || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
            };
            let found = finished.text().lines().find(|line| line.contains(acts));
            assert_eq!(found, None, "{format}");
        }
    }
}

#[test]
fn html_has_the_same_tags_with_and_without_hostile_text() {
    let names = |text: &str| -> Vec<String> {
        let finished = run("html", &lines(text)).ends_with(76);
        let page = finished.text().replace("<wbr>", "");
        // Backticks make code, which is as wanted.
        let page = page.replace("<code>", "").replace("</code>", "");
        let attributes = |tag: &str| {
            let mut parts = tag.split('"');
            let names: Vec<&str> = parts.by_ref().step_by(2).collect();
            names.concat()
        };
        tags(&page).map(attributes).collect()
    };
    let harmless = names("harmless");
    for text in HOSTILE {
        assert!(names(text) == harmless, "{text:?}");
    }
}

#[test]
fn markdown_has_the_same_structure_with_and_without_hostile_text() {
    /// Returns the number of cells of each row, and the HTML tags.
    fn structure(text: &str) -> (Vec<usize>, Vec<String>) {
        let finished = run("markdown", &lines(text)).ends_with(76);
        let report = finished.text();
        let rows = report.lines().filter(|line| line.starts_with('|'));
        let cells = rows.map(|row| row.replace("\\|", "").matches('|').count());
        let page = report
            .replace("<code>", "")
            .replace("</code>", "")
            .replace("<!-- -->", "");
        let tags = tags(&page).map(str::to_owned);
        (cells.collect(), tags.collect())
    }
    let harmless = structure("harmless");
    for text in HOSTILE {
        assert_eq!(structure(text), harmless, "{text:?}");
    }
}

#[test]
fn markdown_makes_no_links_mentions_or_formulas_of_text() {
    let finished = run("markdown", &lines(HOSTILE[9])).ends_with(76);
    let outside: String = finished.text().split('`').step_by(2).collect();
    for forbidden in ["@", "https://", " www.evil", " $x$"] {
        assert!(!outside.contains(forbidden), "{forbidden}");
    }
}
