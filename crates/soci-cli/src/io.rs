//! Documents on stdin and stdout.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write};

use soci_document::{Document, DocumentError, Exit, MAX_LINE};

use crate::progress::Progress;
use crate::{Failure, log, signals};

/// The error for a document that cannot be written because the next stage closed the pipe.
///
/// Only [`Io::write_document`] returns it. A broken pipe of a socket is a network error instead.
#[derive(Debug, thiserror::Error)]
#[error("the next stage closed the pipe")]
pub struct DownstreamGone;

/// The result of a tool's work on one document.
#[derive(Debug)]
pub struct Processed {
    /// The document to write, or `None` if nothing of the work was done.
    pub document: Option<Document>,
    /// What failed although the rest was done.
    pub failures: Vec<Failure>,
}

impl From<Document> for Processed {
    fn from(document: Document) -> Self {
        Self {
            document: Some(document),
            failures: Vec::new(),
        }
    }
}

/// The stdin, stdout and progress bars of a tool.
pub struct Io {
    /// The progress bars.
    pub progress: Progress,
    input: Box<dyn BufRead>,
    output: Box<dyn Write>,
    first_failure: Option<Exit>,
    /// Whether the user types the input.
    reads_terminal: bool,
}

impl Io {
    /// Returns the stdin and stdout of the process.
    pub(crate) fn from_process(progress: Progress) -> Self {
        Self {
            progress,
            input: Box::new(io::stdin().lock()),
            output: Box::new(io::stdout().lock()),
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

    /// Reads the next line that is not blank, without surrounding white space. Returns `None` at
    /// the end of the input.
    ///
    /// # Errors
    ///
    /// Returns an error if stdin cannot be read, or if the line is longer than [`MAX_LINE`].
    pub fn read_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let mut line = Vec::new();
            // One byte more than the longest line with its line end.
            let limit = MAX_LINE as u64 + 2;
            let read = (&mut self.input).take(limit).read_until(b'\n', &mut line);
            let read =
                read.map_err(|source| Failure::new(Exit::Io, source).context("cannot read stdin"))?;
            if read as u64 == limit {
                return Err(DocumentError::TooLong.into());
            }
            if read == 0 {
                return Ok(None);
            }
            let text = line.trim_ascii();
            if !text.is_empty() {
                return Ok(Some(text.to_vec()));
            }
        }
    }

    /// Writes a document. A signal that arrives meanwhile ends the tool only after the whole line
    /// is written.
    ///
    /// # Errors
    ///
    /// Returns an error if stdout cannot be written, or [`DownstreamGone`] if the next stage closed
    /// the pipe.
    pub fn write_document(&mut self, document: &Document) -> Result<(), Failure> {
        self.write(&document.to_line())
    }

    /// Writes text that is not a document, such as a report. A signal that arrives meanwhile ends
    /// the tool only after all of it is written.
    ///
    /// # Errors
    ///
    /// As for [`Self::write_document`].
    pub fn write_text(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let _deferred = signals::defer_termination();
        match self
            .output
            .write_all(bytes)
            .and_then(|()| self.output.flush())
        {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::DownstreamGone, DownstreamGone))
            }
            Err(error) => Err(Failure::new(Exit::Io, error).context("cannot write to stdout")),
            Ok(()) => Ok(()),
        }
    }

    /// Reads all documents, applies `work` to each, and writes the results. If one document fails,
    /// as a whole or in part, the failure is printed and the others are still processed.
    ///
    /// # Errors
    ///
    /// Returns an error if stdin has no document, or if stdin or stdout fails.
    pub fn for_each_document<P: Into<Processed>>(
        &mut self,
        mut work: impl FnMut(Document, &Progress) -> Result<P, Failure>,
    ) -> Result<(), Failure> {
        self.announce_input("documents");
        let mut seen = false;
        while let Some(line) = self.read_line()? {
            seen = true;
            let progress = self.progress.clone();
            let document = match Document::from_line(&line) {
                Ok(document) => document,
                Err(error) => {
                    self.fail_document(None, error.into());
                    continue;
                }
            };
            let image = document.image.to_string();
            let processed = match work(document, &progress) {
                Ok(processed) => processed.into(),
                Err(failure) => Processed {
                    document: None,
                    failures: vec![failure],
                },
            };
            for failure in processed.failures {
                self.fail_document(Some(&image), failure);
            }
            if let Some(document) = processed.document {
                self.write_document(&document)?;
            }
        }
        if seen {
            Ok(())
        } else {
            Err(Failure::message(
                Exit::NoInput,
                "no document on stdin: the previous stage may have failed",
            ))
        }
    }

    /// Prints the failure of one image, or of the whole tool if `image` is `None`. The exit status
    /// of the tool is that of its first failure.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the caller must not handle the failure a second time"
    )]
    pub fn fail_document(&mut self, image: Option<&str>, failure: Failure) {
        let message = format!("{:#}", failure.error);
        tracing::error!(
            image,
            hint = failure.hint,
            exit = failure.exit.code(),
            "{message}"
        );
        self.first_failure.get_or_insert(failure.exit);
    }

    /// Returns the exit status of the first failure, if there was one.
    pub(crate) fn first_failure(&self) -> Option<Exit> {
        self.first_failure
    }
}
