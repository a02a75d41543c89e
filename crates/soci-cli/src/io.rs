//! Documents on stdin and stdout.

mod in_flight;
mod named;
mod processed;
mod read;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, IsTerminal as _, Write};
use std::num::NonZeroU8;

use soci_document::{Document, Exit, FailedImage, Line, MalformedLine, StageError};
use soci_oci::printable::hide_credentials;

pub use self::in_flight::{IN_FLIGHT, Images, Request, Work};
pub use self::named::Named;
pub use self::processed::Processed;
pub(crate) use self::read::{no_input, no_reference, read_line};
use crate::failure::to_document_text;
use crate::output::Style;
use crate::progress::Progress;
use crate::{Failure, log, signals};

/// The error for a document that cannot be written because the next stage closed the pipe.
///
/// Only the methods of [`Io`] return it. A broken pipe of a socket is a network error instead.
#[derive(Debug, thiserror::Error)]
#[error("the next stage closed the pipe")]
pub struct DownstreamGone;

/// The error of a stdout that cannot be written. A part of a line may have been written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout")]
struct BrokenOutput(#[source] io::Error);

/// What a tool writes to stdout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Output {
    /// A line for each image, which the next stage reads. A failed image is such a line, too.
    Documents,
    /// Something else, such as a report. Failures are only printed to stderr.
    Other,
}

/// The stdin, stdout and progress bars of a tool.
pub struct Io {
    /// The progress bars.
    pub progress: Progress,
    /// The name of the tool.
    stage: &'static str,
    output_kind: Output,
    input: Box<dyn BufRead + Send>,
    output: Box<dyn Write>,
    style: Style,
    /// The image that the tool works on.
    current_image: Option<String>,
    first_failure: Option<NonZeroU8>,
    /// Whether the user types the input.
    reads_terminal: bool,
}

impl Io {
    /// Returns the stdin and stdout of the process, for the tool with the name `stage`.
    pub(crate) fn from_process(
        stage: &'static str,
        output_kind: Output,
        style: Style,
        progress: Progress,
    ) -> Self {
        Self {
            progress,
            stage,
            output_kind,
            input: Box::new(BufReader::new(io::stdin())),
            output: Box::new(io::stdout().lock()),
            style,
            current_image: None,
            first_failure: None,
            reads_terminal: io::stdin().is_terminal(),
        }
    }

    /// Tells a user at a terminal that the tool waits for `what`, such as `documents`.
    pub fn announce_input(&self, what: &str) {
        if self.reads_terminal {
            tracing::info!(target: log::NOTICE, "reading {what} from the terminal; see --help");
        }
    }

    /// Returns whether the user reads the summary of each image beside the messages, so that the
    /// tool need not print what the summary has.
    pub fn shows_summaries(&self) -> bool {
        self.style.is_read_with_messages()
    }

    /// Reads the next line that is not blank, as it came. Returns `None` at the end of the input.
    ///
    /// # Errors
    ///
    /// Returns an error if stdin cannot be read, or if the line is longer than
    /// [`MAX_LINE`](soci_document::MAX_LINE).
    pub fn read_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        read_line(&mut *self.input)
    }

    /// Reads all documents, applies `work` to each, and writes the results. If one document fails,
    /// as a whole or in part, the failure is printed and the others are still processed. Images
    /// that failed in an earlier stage are passed on.
    ///
    /// # Errors
    ///
    /// Returns an error if stdin has no line, or if stdin or stdout fails.
    pub fn for_each_document<P: Into<Processed>>(
        &mut self,
        mut work: impl FnMut(Document, &Progress) -> Result<P, Failure>,
    ) -> Result<(), Failure> {
        self.announce_input("documents");
        let mut seen = false;
        while let Some(line) = self.read_line()? {
            seen = true;
            self.process_document(&line, &mut work)?;
        }
        if seen { Ok(()) } else { Err(no_input()) }
    }

    /// Applies `work` to the document of one line, and writes the result. If the line is an image
    /// that failed in an earlier stage, it is passed on instead, and nothing is printed.
    ///
    /// # Errors
    ///
    /// Returns an error if stdout fails.
    pub fn process_document<P: Into<Processed>>(
        &mut self,
        line: &[u8],
        work: impl FnOnce(Document, &Progress) -> Result<P, Failure>,
    ) -> Result<(), Failure> {
        match Line::parse(line) {
            Ok(Line::Document(document)) => {
                let image = document.image.to_string();
                self.process_image(&image, |progress| work(*document, progress))
            }
            Ok(Line::Failed(failed)) => self.pass_on(line, &failed),
            Err(malformed) => self.fail_image(malformed.image.as_deref(), malformed.error.into()),
        }
    }

    /// Does `work` on one image, and writes the result. A failure is printed.
    ///
    /// # Errors
    ///
    /// Returns an error if stdout fails.
    pub fn process_image<P: Into<Processed>>(
        &mut self,
        image: &str,
        work: impl FnOnce(&Progress) -> Result<P, Failure>,
    ) -> Result<(), Failure> {
        let image = &hide_credentials(image);
        self.current_image = Some(image.to_string());
        let progress = self.progress.clone();
        let processed = work(&progress).map_or_else(Processed::from, Into::into);
        self.current_image = None;
        self.write_image(image, processed)
    }

    /// Prints the failures of an image that was worked on, and writes its document.
    fn write_image(&mut self, image: &str, processed: Processed) -> Result<(), Failure> {
        let failures = processed.failures.into_iter();
        let errors: Vec<StageError> = failures
            .map(|failure| self.report_failure(Some(image), &failure))
            .collect();
        let first_error = errors.into_iter().next();
        match (processed.document, first_error) {
            (Some(mut document), error) => {
                document.error = error;
                if let Some(explain) = processed.explain {
                    explain(&document, &self.progress);
                }
                self.tell_result(&document, processed.result);
                self.write(&self.style.format_document(&document, processed.report))
            }
            (None, Some(error)) => self.write_failed_image(Some(image), error),
            (None, None) => Ok(()),
        }
    }

    /// Prints the failure of one image, and writes the image as a failed one. `image` is `None` if
    /// it is not known which image failed. The exit status of the tool is that of its first failed
    /// image.
    ///
    /// # Errors
    ///
    /// Returns an error if stdout fails.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the caller must not handle the failure a second time"
    )]
    pub fn fail_image(&mut self, image: Option<&str>, failure: Failure) -> Result<(), Failure> {
        let error = self.report_failure(image, &failure);
        self.write_failed_image(image, error)
    }

    /// Passes on an image that failed in an earlier stage. The tool ends with the status of that
    /// failure unless an image before it has failed.
    ///
    /// # Errors
    ///
    /// Returns an error if stdout fails.
    pub fn pass_on(&mut self, line: &[u8], failed: &FailedImage) -> Result<(), Failure> {
        self.first_failure.get_or_insert(failed.error.exit);
        if self.output_kind == Output::Other {
            return Ok(());
        }
        self.write(&self.style.format_passed_on(line, failed))
    }

    /// Reads all lines, for a tool that writes no documents, and returns what `describe` makes of
    /// each. Only one line is in memory at a time. A line that is malformed is printed as a
    /// failure, and described as a failed image. The exit status of the tool is that of the first
    /// failed image.
    ///
    /// # Errors
    ///
    /// Returns an error if stdin has no line, or if it fails.
    pub fn read_all<T>(&mut self, describe: impl Fn(Line) -> T) -> Result<Vec<T>, Failure> {
        self.announce_input("documents");
        let mut described = Vec::new();
        while let Some(line) = self.read_line()? {
            let line = Line::parse(&line).unwrap_or_else(|malformed| {
                let MalformedLine { image, error } = malformed;
                let image = image.as_deref();
                let error = self.report_failure(image, &error.into());
                Line::Failed(Box::new(failed_image(image, error)))
            });
            if let Line::Failed(failed) = &line {
                self.first_failure.get_or_insert(failed.error.exit);
            }
            described.push(describe(line));
        }
        if described.is_empty() {
            return Err(no_input());
        }
        Ok(described)
    }

    /// Writes text that is not a document, such as a report. A signal that arrives meanwhile ends
    /// the tool only after all of it is written.
    ///
    /// # Errors
    ///
    /// Returns an error if stdout cannot be written, or [`DownstreamGone`] if the next stage closed
    /// the pipe.
    pub fn write_text(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes())
    }

    /// Writes bytes as they are, such as the content of a file.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Io::write_text`].
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write(bytes)
    }

    /// Ends the run with a failure that is not that of one image, and returns the exit status.
    /// Prints the failure, and leaves it to the next stage as a failed image without a name.
    pub(crate) fn fail_run(&mut self, failure: &Failure) -> u8 {
        if failure.error.is::<DownstreamGone>() {
            // The next stage prints the cause.
            return failure.exit.code();
        }
        let is_output_broken = failure.error.is::<BrokenOutput>();
        let error = self.report_failure(None, failure);
        if !is_output_broken {
            self.write_last_line(None, error);
        }
        self.status()
    }

    /// Ends the run after a panic, whose message the panic hook has printed, and returns the exit
    /// status.
    pub(crate) fn fail_by_panic(&mut self) -> u8 {
        let failure = Failure::message(Exit::Internal, "internal error, please report it");
        let error = failure.to_stage_error(self.stage);
        self.first_failure.get_or_insert(error.exit);
        let image = self.current_image.take();
        self.write_last_line(image.as_deref(), error);
        self.status()
    }

    /// Returns the exit status of the tool: that of the first failed image, if there was one.
    pub(crate) fn status(&self) -> u8 {
        self.first_failure.map_or(Exit::Done.code(), NonZeroU8::get)
    }

    /// Tells the result of an image, unless its summary does so on the same terminal.
    fn tell_result(&self, document: &Document, describe: Option<fn(&Document) -> String>) {
        if let Some(describe) = describe
            && !self.style.is_read_with_messages()
        {
            let result = describe(document);
            tracing::info!(target: log::NOTICE, image = document.image.as_str(), "{result}");
        }
    }

    /// Prints a failure, and records its exit status.
    fn report_failure(&mut self, image: Option<&str>, failure: &Failure) -> StageError {
        let message = format!("{:#}", failure.error);
        let image = image.map(hide_credentials);
        tracing::error!(
            image = image.as_deref(),
            hint = failure.hint,
            exit = failure.exit.code(),
            "{message}"
        );
        let error = failure.to_stage_error(self.stage);
        self.first_failure.get_or_insert(error.exit);
        error
    }

    fn write_failed_image(
        &mut self,
        image: Option<&str>,
        error: StageError,
    ) -> Result<(), Failure> {
        match self.output_kind {
            Output::Documents => {
                let failed = failed_image(image, error);
                self.write(&self.style.format_failed(&failed))
            }
            Output::Other => Ok(()),
        }
    }

    /// Writes the last line of a run that ends early. If stdout fails as well, the exit status
    /// alone reports the failure.
    fn write_last_line(&mut self, image: Option<&str>, error: StageError) {
        drop(self.write_failed_image(image, error));
    }

    /// Writes to stdout. A signal that arrives meanwhile ends the tool only after all is written.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let _deferred = signals::defer_termination();
        let output = &mut self.output;
        let mut written = || output.write_all(bytes).and_then(|()| output.flush());
        // Only a terminal may show progress, and a pipe may be full for a long time.
        let written = if io::stdout().is_terminal() {
            self.progress.suspend(written)
        } else {
            written()
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::DownstreamGone, DownstreamGone))
            }
            Err(error) => Err(Failure::new(Exit::Io, BrokenOutput(error))),
            Ok(()) => Ok(()),
        }
    }
}

/// Returns the line of an image that failed in this stage.
fn failed_image(image: Option<&str>, error: StageError) -> FailedImage {
    FailedImage::new(
        image.map(|image| to_document_text(&hide_credentials(image))),
        error,
    )
}
