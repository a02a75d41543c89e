//! From a line of stdin to the report on its image.

use soci_document::{FailedImage, Line};

use crate::report::{FailureReport, ImageReport};

/// Returns the report on the image of a line.
pub(crate) fn report_on(line: Line) -> ImageReport {
    match line {
        Line::Document(document) => ImageReport::new(&document),
        Line::Failed(failed) => report_failed(*failed),
    }
}

/// Returns the report on a failed image: in full if the line has the fields of a document, because
/// a part of the image was pushed.
fn report_failed(failed: FailedImage) -> ImageReport {
    if let Some(document) = failed.to_document() {
        return ImageReport::new(&document);
    }
    let failure = FailureReport::from(failed.error);
    ImageReport::failed(failed.image.as_deref(), failure)
}
