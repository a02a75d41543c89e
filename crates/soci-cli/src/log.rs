//! Lines on stderr: one per event, as text or as JSON.

use std::fmt;
use std::io;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::progress::Progress;
use crate::{Common, LogFormat, signals};

/// Returns what carries the tool's events to stderr.
pub(crate) fn subscriber(
    tool: &'static str,
    common: &Common,
    progress: &Progress,
) -> impl Subscriber + Send + Sync + use<> {
    let terminal = io::IsTerminal::is_terminal(&io::stderr());
    let ours = match (common.quiet, common.verbose) {
        (true, _) => "error",
        // Bars tell the same on a terminal.
        (false, 0) if terminal => "warn",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::new(format!("off,soci={ours}"));
    let line = Line {
        tool,
        format: common.log_format,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(line)
        .with_writer(Stderr(progress.clone()))
        .finish()
}

/// Writes an event as one line.
struct Line {
    tool: &'static str,
    format: LogFormat,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let line = match self.format {
            LogFormat::Json => fields.json(self.tool, level),
            LogFormat::Text => fields.text(self.tool, level),
        };
        writeln!(writer, "{line}")
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }

    /// Returns `tool: [level: ][image: ]message[ (field=value ...)][; hint]`.
    fn text(mut self, tool: &str, level: Level) -> String {
        let mut take = |name| match self.others.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (image, hint) = (take("image"), take("hint"));
        // For programs, which read it from the exit status or the JSON form.
        self.others.remove("exit");
        let label = match level {
            Level::WARN => "warning: ",
            Level::DEBUG | Level::TRACE => "debug: ",
            _ => "",
        };
        let image = image.map(|image| image + ": ").unwrap_or_default();
        let mut line = format!("{tool}: {label}{image}{}", self.message);
        let plain = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let others: Vec<String> = self
            .others
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect();
        if !others.is_empty() {
            line = format!("{line} ({})", others.join(" "));
        }
        printable(&match hint {
            Some(hint) => format!("{line}; {hint}"),
            None => line,
        })
    }

    fn json(self, tool: &str, level: Level) -> String {
        let mut line = Map::new();
        line.insert("level".to_owned(), level.as_str().to_lowercase().into());
        line.insert("tool".to_owned(), tool.into());
        line.insert("message".to_owned(), self.message.into());
        line.extend(self.others);
        Value::Object(line).to_string()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}

/// Stderr, with the bars out of the way.
struct Stderr(Progress);

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = StderrLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        StderrLine(&self.0)
    }
}

/// One line on its way to stderr.
struct StderrLine<'a>(&'a Progress);

impl io::Write for StderrLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What fails while a signal ends the process fails because of that.
        if signals::is_ending() {
            return Ok(bytes.len());
        }
        // Where stderr is gone there is nobody to tell, and the work can be done all the same.
        drop(
            self.0
                .suspend(|| io::Write::write_all(&mut io::stderr(), bytes)),
        );
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a text that came from outside without what a terminal would act on.
pub fn printable(text: &str) -> String {
    let plain = |character: char| {
        if character.is_control() {
            '\u{FFFD}'
        } else {
            character
        }
    };
    text.chars().map(plain).collect()
}
