//! Lines of documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use soci_document::{Document, Line, Summary};

fuzz_target!(|data: &[u8]| {
    match Line::parse(data) {
        Ok(Line::Document(document)) => {
            check_document(&document);
        }
        Ok(Line::Failed(failed)) => {
            let line = failed.to_line();
            assert!(is_one_line(&line));
            let Ok(Line::Failed(again)) = Line::parse(&line) else {
                panic!("a failed image is not read as it was written");
            };
            assert_eq!(again.to_line(), line);
            if let Some(document) = failed.to_document() {
                check_document(&document);
            }
        }
        Err(malformed) => assert!(!malformed.error.to_string().is_empty()),
    }
});

fn check_document(document: &Document) {
    let line = document.to_line();
    assert!(is_one_line(&line));
    let again = Document::from_line(&line).expect("a document that was just written");
    assert_eq!(again.to_line(), line, "writing changes the document");
    let summary = Summary::of(document);
    let texts = [
        summary.describe_result(),
        summary.describe_layers(),
        summary.describe_counts(),
        summary.describe_deployment(),
    ];
    drop(texts);
    drop(summary.list_deployments());
    let _digest = summary.converted();
}

/// Returns whether the only newline is at the end.
fn is_one_line(line: &[u8]) -> bool {
    line.iter().position(|&byte| byte == b'\n') == line.len().checked_sub(1)
}
