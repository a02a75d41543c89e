//! Stdin and stdout: documents in, documents out, each whole or not at all.

use std::io::{self, BufRead, Read as _, Write};

use soci_document::{Document, DocumentError, Exit, MAX_LINE};

use crate::progress::Progress;
use crate::{Failure, signals};

/// The stage after this one closed the pipe. Raised by the writer of documents alone: a socket breaks pipes too.
#[derive(Debug, thiserror::Error)]
#[error("the next stage closed the pipe")]
pub struct DownstreamGone;

/// What a tool reads and writes.
pub struct Io {
    /// Progress bars, on a terminal.
    pub progress: Progress,
    input: Box<dyn BufRead>,
    output: Box<dyn Write>,
    first: Option<Exit>,
}

impl Io {
    /// Returns the process's own stdin and stdout.
    pub(crate) fn standard(progress: Progress) -> Self {
        Self {
            progress,
            input: Box::new(io::stdin().lock()),
            output: Box::new(io::stdout().lock()),
            first: None,
        }
    }

    /// Reads the next line that is not blank, without its end. Nothing is returned at the end of the input.
    ///
    /// # Errors
    ///
    /// Fails where stdin cannot be read, or a line is longer than any document may be.
    pub fn read_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let mut line = Vec::new();
            let most = MAX_LINE as u64 + 2;
            let read = (&mut self.input).take(most).read_until(b'\n', &mut line);
            let read =
                read.map_err(|source| Failure::new(Exit::Io, source).context("cannot read stdin"))?;
            if read as u64 == most {
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

    /// Writes a document, whole.
    ///
    /// # Errors
    ///
    /// Fails where stdout cannot be written, or the stage after this one has closed it.
    pub fn write_document(&mut self, document: &Document) -> Result<(), Failure> {
        let line = document.to_line();
        let _whole = signals::postpone();
        match self
            .output
            .write_all(&line)
            .and_then(|()| self.output.flush())
        {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::DownstreamGone, DownstreamGone))
            }
            Err(error) => Err(Failure::new(Exit::Io, error).context("cannot write to stdout")),
            Ok(()) => Ok(()),
        }
    }

    /// Does `work` on each document of stdin and writes the result. A document that fails is reported, and the others are
    /// still done.
    ///
    /// # Errors
    ///
    /// Fails where there is no document at all, or stdout is gone.
    pub fn for_each_document(
        &mut self,
        mut work: impl FnMut(Document, &Progress) -> Result<Document, Failure>,
    ) -> Result<(), Failure> {
        let mut seen = false;
        while let Some(line) = self.read_line()? {
            seen = true;
            let progress = self.progress.clone();
            let result = match Document::from_line(&line) {
                Ok(document) => {
                    let image = document.image.to_string();
                    work(document, &progress).map_err(|failure| (Some(image), failure))
                }
                Err(error) => Err((None, error.into())),
            };
            match result {
                Ok(document) => self.write_document(&document)?,
                Err((image, failure)) => self.fail_document(image.as_deref(), failure),
            }
        }
        if seen {
            Ok(())
        } else {
            Err(Failure::message(
                Exit::NoInput,
                "no document on stdin: the stage before failed",
            ))
        }
    }

    /// Prints why the work on one image failed, and remembers the first such failure for the exit status.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a failure that was reported is done with"
    )]
    pub fn fail_document(&mut self, image: Option<&str>, failure: Failure) {
        let message = format!("{:#}", failure.error);
        tracing::error!(target: "soci", image, hint = failure.hint, exit = failure.exit.code(), "{message}");
        self.first.get_or_insert(failure.exit);
    }

    /// Returns the class of the first failure that was reported.
    pub(crate) fn first_failure(&self) -> Option<Exit> {
        self.first
    }
}
