//! Lines of stdin.

use std::io::{BufRead, Read as _};

use soci_document::{DocumentError, Exit, MAX_LINE};

use crate::Failure;

/// Reads the next line that is not blank, as it came. Returns `None` at the end of the input.
///
/// # Errors
///
/// Returns an error if the input cannot be read, or if the line is longer than [`MAX_LINE`].
pub(crate) fn read_line(mut input: &mut (dyn BufRead + Send)) -> Result<Option<Vec<u8>>, Failure> {
    loop {
        let mut line = Vec::new();
        // One byte more than the longest line with its line end.
        let limit = MAX_LINE as u64 + 2;
        let read = (&mut input).take(limit).read_until(b'\n', &mut line);
        let read =
            read.map_err(|source| Failure::new(Exit::Io, source).context("cannot read stdin"))?;
        if read as u64 == limit {
            return Err(DocumentError::TooLong.into());
        }
        if read == 0 {
            return Ok(None);
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(line));
        }
    }
}

/// Returns the failure of a tool whose stdin has no line.
pub(crate) fn no_input() -> Failure {
    Failure::message(
        Exit::NoInput,
        "no document on stdin: the previous stage may have failed",
    )
}

/// Returns the failure of a tool that nothing names an image to.
pub(crate) fn no_reference() -> Failure {
    Failure::message(
        Exit::NoInput,
        "no reference is given as an argument or on stdin",
    )
}
