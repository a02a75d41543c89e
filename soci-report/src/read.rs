//! From the lines of stdin to the report.

use soci_document::{Document, FailedImage, Line};

use crate::report::{FailureReport, ImageReport, Report};

/// Returns the report on lines.
pub(crate) fn report_on(lines: Vec<Line>) -> Report {
    let images = lines.into_iter().map(|line| match line {
        Line::Document(document) => ImageReport::new(&document),
        Line::Failed(failed) => report_failed(*failed),
    });
    Report {
        images: images.collect(),
    }
}

/// Returns the report on a failed image: in full if the line has the fields of a document, because
/// a part of the image was pushed.
fn report_failed(failed: FailedImage) -> ImageReport {
    let document =
        serde_json::to_vec(&failed).and_then(|line| serde_json::from_slice::<Document>(&line));
    if let Ok(document) = document {
        return ImageReport::new(&document);
    }
    let failure = FailureReport::from(failed.error);
    ImageReport::failed(failed.image.as_deref(), failure)
}
