//! Messages on stderr: one line per event, as text or as JSON.

use std::fmt;
use std::io;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::progress::Progress;
use crate::{CommonArgs, LogFormat, signals};

/// Builds the subscriber that writes the events of the workspace's crates to stderr. The events of
/// other crates are dropped.
pub(crate) fn build_subscriber(
    tool: &'static str,
    common: &CommonArgs,
    progress: &Progress,
) -> impl Subscriber + Send + Sync + use<> {
    let terminal = io::IsTerminal::is_terminal(&io::stderr());
    let level = match (common.quiet, common.verbose) {
        (true, _) => LevelFilter::ERROR,
        // On a terminal, the progress bars show what the information messages tell.
        (false, 0) if terminal => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let line_format = LineFormat {
        tool,
        format: common.log_format,
    };
    let messages = tracing_subscriber::fmt::layer()
        .event_format(line_format)
        .with_writer(Stderr(progress.clone()));
    // The names of all crates of the workspace start with `soci`.
    tracing_subscriber::registry()
        .with(Targets::new().with_target("soci", level))
        .with(messages)
}

/// Formats an event as one line.
struct LineFormat {
    tool: &'static str,
    format: LogFormat,
}

impl<S, N> FormatEvent<S, N> for LineFormat
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
            LogFormat::Json => fields.into_json(self.tool, level),
            LogFormat::Text => fields.into_text(self.tool, level),
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
        // Only the JSON format shows the exit status.
        self.others.remove("exit");
        let label = match level {
            Level::ERROR => "error: ",
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
        replace_control_characters(&match hint {
            Some(hint) => format!("{line}; {hint}"),
            None => line,
        })
    }

    fn into_json(self, tool: &str, level: Level) -> String {
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

/// A writer to stderr that clears the progress bars while it writes.
struct Stderr(Progress);

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = StderrLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        StderrLine(&self.0)
    }
}

/// The writer for one line.
struct StderrLine<'a>(&'a Progress);

impl io::Write for StderrLine<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // While a signal ends the process, failures are only a consequence of that.
        if signals::is_terminating() {
            return Ok(bytes.len());
        }
        // If stderr is closed, the message is lost and the work goes on.
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

/// Replaces each control character by U+FFFD, so that text from a registry or a file cannot send
/// escape sequences to the terminal.
pub fn replace_control_characters(text: &str) -> String {
    let plain = |character: char| {
        if character.is_control() {
            '\u{FFFD}'
        } else {
            character
        }
    };
    text.chars().map(plain).collect()
}
