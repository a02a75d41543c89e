//! Messages on stderr: one line per event, as text or as JSON.

mod image;
mod line;
mod request;

use std::fmt;
use std::io;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::progress::Progress;
use crate::{CommonArgs, signals};
pub(crate) use image::{current_image, name_images, set_current_image};
pub(crate) use line::{Fields, LineFormat};

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
    let notices = if common.quiet {
        LevelFilter::OFF
    } else {
        LevelFilter::INFO
    };
    let messages = tracing_subscriber::fmt::layer()
        .event_format(line_format)
        .with_writer(Stderr(progress.clone()));
    // The names of all crates of the workspace start with `soci`.
    tracing_subscriber::registry()
        .with(
            Targets::new()
                .with_target("soci", level)
                .with_target(NOTICE, notices),
        )
        .with(messages)
}

/// The target of notices that a user at a terminal needs although information messages are not
/// shown there.
pub(crate) const NOTICE: &str = "soci_cli::notice";

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
        let fields = fields.with_image(image::image_to_name());
        let line = self.format(*event.metadata().level(), fields);
        writeln!(writer, "{line}")
    }
}

/// Writes one message to stderr without the subscriber, which may not exist yet. If stderr is
/// closed, the message is lost, and only the exit status tells of it.
pub(crate) fn write_line(format: LineFormat, level: Level, fields: Fields) {
    let line = format.format(level, fields) + "\n";
    drop(io::Write::write_all(&mut io::stderr(), line.as_bytes()));
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
        drop(self.0.print(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
