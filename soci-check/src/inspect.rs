//! Shows what is in the ztocs of an image, and reads single files through them.
//!
//! Only the spans that a file lies in are read from the registry. What is shown is not checked:
//! that is what the check of the image is for.

mod args;
mod extract;
mod files;
mod image;
mod index;
mod inspector;
mod json;
mod path;
mod spans;
mod tree;

pub(crate) use args::InspectArgs;
pub(crate) use inspector::{Inspector, View};

use soci_cli::{Failure, Io, Named};
use soci_document::Line;

use crate::inspect::image::InspectedImage;

impl Inspector {
    /// Shows the images that `references` name, or else those of the lines of stdin.
    pub(crate) fn run(&self, io: &mut Io, references: &[String]) -> Result<(), Failure> {
        let input = "references or documents";
        io.for_each_named(references, input, |io, image| match image {
            Named::Reference(reference) => {
                let image = InspectedImage::of_reference(self, reference);
                self.show(io, reference, image)
            }
            Named::Document(line) => self.show_document(io, line),
        })
    }

    /// Shows the image of a document.
    fn show_document(&self, io: &mut Io, line: &[u8]) -> Result<(), Failure> {
        match Line::parse(line) {
            Ok(Line::Document(document)) => {
                let image = InspectedImage::of_document(self, &document);
                self.show(io, document.image.as_str(), image)
            }
            Ok(Line::Failed(failed)) => io.pass_on(line, &failed),
            Err(malformed) => io.fail_image(malformed.image.as_deref(), malformed.error.into()),
        }
    }

    /// Shows an image. If that fails, the other images are shown all the same; a failure to write
    /// ends the run.
    fn show(
        &self,
        io: &mut Io,
        name: &str,
        image: Result<InspectedImage, Failure>,
    ) -> Result<(), Failure> {
        let shown = image
            .map_err(Stopped::Image)
            .and_then(|image| match &self.view {
                View::Files => files::write_files(io, &image),
                View::Spans => spans::write_spans(io, &image),
                View::File(path) => extract::write_file(io, &image, path),
            });
        match shown {
            Ok(()) => Ok(()),
            Err(Stopped::Image(failure)) => io.fail_image(Some(name), failure),
            Err(Stopped::Output(failure)) => Err(failure),
        }
    }
}

/// Why an image is not shown, or only in part.
enum Stopped {
    /// The image cannot be read.
    Image(Failure),
    /// Stdout cannot be written.
    Output(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Image(failure)
    }
}
