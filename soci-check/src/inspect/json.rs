//! Writes lines of JSON.

use serde::Serialize;
use soci_cli::{Failure, Io};
use soci_document::Exit;
use soci_oci::printable::escape_invisible_in_json;

use super::Stopped;

/// How many bytes are collected before they are written.
const BUFFER_SIZE: usize = 64 * 1024;

/// Lines of JSON that are written to stdout in parts.
pub(super) struct Lines<'a> {
    io: &'a mut Io,
    text: String,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(io: &'a mut Io) -> Self {
        Self {
            io,
            text: String::new(),
        }
    }

    /// Adds a value as one line. Characters that act on a terminal are escaped.
    pub(super) fn push(&mut self, value: &impl Serialize) -> Result<(), Stopped> {
        let line = serde_json::to_string(value);
        let line = line.map_err(|error| Failure::new(Exit::Internal, error))?;
        self.text.push_str(&escape_invisible_in_json(&line));
        self.text.push('\n');
        if self.text.len() < BUFFER_SIZE {
            return Ok(());
        }
        self.write()
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> Result<(), Stopped> {
        self.write()
    }

    fn write(&mut self) -> Result<(), Stopped> {
        let text = std::mem::take(&mut self.text);
        self.io.write_text(&text).map_err(Stopped::Output)
    }
}
