//! The one line of a message, as text or as JSON.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::{Field, Visit};

use super::request::{self, plain};
use crate::LogFormat;
use soci_oci::printable::{escape_invisible_in_json, hide_credentials_in_message, to_printable};

/// The name of the tool and the format of its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineFormat {
    pub(crate) tool: &'static str,
    pub(crate) format: LogFormat,
}

/// The fields of a message, in their order.
#[derive(Default)]
pub(crate) struct Fields {
    message: String,
    others: Map<String, Value>,
}

/// The fields that only the JSON format shows: the text has them in its message.
const JSON_ONLY: [&str; 3] = ["exit", "option", "variable"];

impl LineFormat {
    /// Formats a message as one line, without a line end.
    pub(crate) fn format(self, level: Level, fields: Fields) -> String {
        match self.format {
            LogFormat::Json => fields.into_json(self.tool, level),
            LogFormat::Text => fields.into_text(self.tool, level),
        }
    }
}

impl Fields {
    /// Returns the fields of a message that has only its text.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            others: Map::new(),
        }
    }

    /// Adds a field, unless it has no value.
    pub(crate) fn with(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.others.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Adds the image that the message is about, unless the message names one.
    pub(super) fn with_image(self, image: Option<String>) -> Self {
        if self.others.contains_key("image") {
            return self;
        }
        self.with("image", image)
    }

    fn record(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }

    /// Formats `tool: [label: ][image: ]message[ (field=value ...)][; hint]`.
    fn into_text(mut self, tool: &str, level: Level) -> String {
        let mut take = |name| match self.others.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (image, hint) = (take("image"), take("hint"));
        if let Some(text) = request::format(&self.others) {
            self.message = text;
            self.others.clear();
        }
        self.others
            .retain(|name, _| !JSON_ONLY.contains(&name.as_str()));
        let label = match level {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::DEBUG | Level::TRACE => "debug: ",
            _ => "",
        };
        let image = image.map(|image| image + ": ").unwrap_or_default();
        let mut line = format!("{tool}: {label}{image}{}", self.message);
        let others: Vec<String> = self
            .others
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect();
        if !others.is_empty() {
            line = format!("{line} ({})", others.join(" "));
        }
        let line = match hint {
            Some(hint) => format!("{line}; {hint}"),
            None => line,
        };
        to_printable(&line).into_owned()
    }

    fn into_json(self, tool: &str, level: Level) -> String {
        let mut line = Map::new();
        line.insert("level".to_owned(), level.as_str().to_lowercase().into());
        line.insert("tool".to_owned(), tool.into());
        line.insert("message".to_owned(), without_credentials(self.message));
        line.extend(self.others.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, without_credentials(text)),
            value => (name, value),
        }));
        escape_invisible_in_json(&Value::Object(line).to_string()).into_owned()
    }
}

/// Returns a text of a message as a value of JSON.
fn without_credentials(text: String) -> Value {
    match hide_credentials_in_message(&text) {
        Cow::Borrowed(_) => text.into(),
        Cow::Owned(hidden) => hidden.into(),
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value.into());
    }
}
