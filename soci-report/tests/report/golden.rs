//! The reports on `golden/images.jsonl`, in full.
//!
//! `UPDATE_REPORTS=1 cargo test -p soci-report` writes the expected reports again. Look at the
//! difference before you commit it.

use std::fs;

use crate::{FORMATS, IMAGES, run};

#[test]
fn reports_on_images_of_all_states() {
    for format in FORMATS {
        let extension = match format {
            "markdown" => "md",
            "html" => "html",
            _ => "txt",
        };
        let file = format!(
            "{}/tests/report/golden/report.{extension}",
            env!("CARGO_MANIFEST_DIR")
        );
        // The first image that failed was not found.
        let report = run(format, IMAGES).ends_with(80);
        if std::env::var_os("UPDATE_REPORTS").is_some() {
            fs::write(&file, report.text()).expect("the expected report");
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            report.text() == expected,
            "the {format} report is not {file}: compare it after UPDATE_REPORTS=1 cargo test -p soci-report"
        );
    }
}
