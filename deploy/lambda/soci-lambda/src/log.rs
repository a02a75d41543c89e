//! The log: JSON lines on stderr, which Lambda sends to `CloudWatch`.

use std::io::{self, Write as _};
use std::sync::Arc;

use serde_json::{Map, Value};
use soci_oci::printable::escape_invisible_in_json;

/// Writes lines that have the id of the invocation.
#[derive(Clone, Debug, Default)]
pub struct Log {
    request: Option<Arc<str>>,
}

impl Log {
    /// Returns the log of an invocation.
    pub fn of_request(id: &str) -> Self {
        Self {
            request: Some(id.into()),
        }
    }

    /// Writes an error.
    pub fn error(&self, message: &str) {
        self.write(Entry::error(message));
    }

    pub(crate) fn write(&self, entry: Entry) {
        self.print(entry.0);
    }

    /// Writes a line of a tool, which is JSON unless the tool panicked.
    pub(crate) fn forward(&self, tool: &str, line: &[u8]) {
        if let Ok(fields) = serde_json::from_slice(line) {
            self.print(fields);
        } else {
            let text = String::from_utf8_lossy(line);
            self.write(Entry::new("error", tool, text.trim_end()));
        }
    }

    fn print(&self, mut fields: Map<String, Value>) {
        if let Some(request) = &self.request {
            fields.insert("requestId".to_owned(), (**request).into());
        }
        let line = Value::Object(fields).to_string();
        let line = escape_invisible_in_json(&line);
        // There is no other channel to report that the log cannot be written.
        drop(writeln!(io::stderr().lock(), "{line}"));
    }
}

/// A line of the log.
#[derive(Debug)]
pub(crate) struct Entry(Map<String, Value>);

impl Entry {
    pub(crate) fn info(message: &str) -> Self {
        Self::new("info", env!("CARGO_PKG_NAME"), message)
    }

    pub(crate) fn warning(message: &str) -> Self {
        Self::new("warn", env!("CARGO_PKG_NAME"), message)
    }

    pub(crate) fn error(message: &str) -> Self {
        Self::new("error", env!("CARGO_PKG_NAME"), message)
    }

    fn new(level: &str, tool: &str, message: &str) -> Self {
        let fields = [("level", level), ("tool", tool), ("message", message)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.into()));
        Self(fields.into_iter().collect())
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}
