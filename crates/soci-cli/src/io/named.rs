//! The images that a tool is to work on: arguments, or else the lines of stdin.

use soci_document::Exit;
use soci_oci::printable::hide_credentials;

use super::{Io, no_reference};
use crate::Failure;

/// What names an image.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// A reference, not parsed yet.
    Reference(&'a str),
    /// A line that holds a document, or an image that failed, for [`Io::process_document`].
    Document(&'a [u8]),
}

impl Io {
    /// Calls `work` for each of the `references`, or without any for each line of stdin: a
    /// line that starts with `{` is a document, and another one a reference. `input` tells a user
    /// at a terminal what the lines hold. A reference that is not UTF-8 is printed as a failure.
    ///
    /// # Errors
    ///
    /// Returns an error of `work`, or an error if nothing names an image, or if stdin or stdout
    /// fails.
    pub fn for_each_named(
        &mut self,
        references: &[String],
        input: &str,
        mut work: impl FnMut(&mut Self, Named<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for reference in references {
            work(self, Named::Reference(reference))?;
        }
        if !references.is_empty() {
            return Ok(());
        }
        self.announce_input(input);
        let mut seen = false;
        while let Some(line) = self.read_line()? {
            seen = true;
            self.name_line(&line, &mut work)?;
        }
        if seen {
            return Ok(());
        }
        Err(no_reference())
    }

    fn name_line(
        &mut self,
        line: &[u8],
        work: &mut impl FnMut(&mut Self, Named<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match Named::of_line(line) {
            Ok(named) => work(self, named),
            Err(failure) => self.fail_image(None, failure),
        }
    }
}

impl<'a> Named<'a> {
    /// Returns what a line of stdin names.
    ///
    /// # Errors
    ///
    /// Returns an error if it is a reference that is not UTF-8.
    pub(super) fn of_line(line: &'a [u8]) -> Result<Self, Failure> {
        let text = line.trim_ascii();
        if text.starts_with(b"{") {
            return Ok(Self::Document(line));
        }
        std::str::from_utf8(text)
            .map(Self::Reference)
            .map_err(|error| {
                let shown = text.escape_ascii().to_string();
                let context = format!("reference `{}` is not UTF-8", hide_credentials(&shown));
                Failure::new(Exit::Usage, error).context(context)
            })
    }
}
