//! The main function of every tool.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;
use soci_document::Exit;
use tracing::Level;

use crate::command_line::{self, Stopped};
use crate::io::{Io, Output};
use crate::log::{Fields, LineFormat};
use crate::output::OutputFormat;
use crate::progress::Progress;
use crate::usage;
use crate::{
    CommonArgs, Failure, Variable, empty_variables, help, log, signals, unknown_variables,
};

/// The version of the tools, which `--version` prints: that of the workspace, and the commit with
/// its date if `scripts/version.sh` has told the build.
const VERSION: &str = match option_env!("TOOLS_VERSION") {
    Some(version) if !version.is_empty() => version,
    _ => env!("CARGO_PKG_VERSION"),
};

/// The arguments of a tool, and what the tool does with them.
pub trait Tool: Parser {
    /// Returns the environment variables that the tool reads and that no option sets.
    fn variables() -> &'static [Variable] {
        &[]
    }

    /// Returns the arguments that every tool has.
    fn common_args(&self) -> &CommonArgs;

    /// Returns what the tool writes to stdout.
    fn output(&self) -> Output {
        Output::Documents
    }

    /// Returns the format of stdout that the user asks for, if the tool writes documents.
    fn output_format(&self) -> OutputFormat {
        OutputFormat::Json
    }

    /// Does the work of the tool.
    ///
    /// # Errors
    ///
    /// Returns an error that ends the whole run. The failure of a single image goes to
    /// [`Io::fail_image`] instead.
    fn run(self, io: &mut Io) -> Result<(), Failure>;
}

/// Parses the command line, runs the tool, prints its failure, and returns its exit status.
pub fn run_tool<T: Tool>(name: &'static str) -> ExitCode {
    empty_variables::restart_without_empty_variables(name);
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let command = help::add_help(T::command().version(VERSION), T::variables());
    let tool: T = match command_line::parse(command, &arguments) {
        Ok(tool) => tool,
        Err(stopped) => return end_before_run(name, &arguments, stopped),
    };
    let quiet = tool.common_args().quiet;
    let progress = if quiet {
        Progress::hidden()
    } else {
        Progress::on_stderr()
    };
    let subscriber = log::build_subscriber(name, tool.common_args(), &progress);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        return ExitCode::from(Exit::Internal.code());
    }
    let format = LineFormat {
        tool: name,
        format: tool.common_args().log_format,
    };
    panic::set_hook(Box::new(move |panic| {
        let panic = panic.to_string().replace('\n', " ");
        let message = format!("internal error, please report it: {panic}");
        let fields = Fields::new(message).with("exit", Some(Exit::Internal.code()));
        log::write_line(format, Level::ERROR, fields);
    }));
    if let Err(error) = signals::handle_signals(progress.clone()) {
        // The tool works without, but a signal would leave temporary files behind.
        tracing::warn!("cannot handle signals: {error}");
    }
    let claims = unknown_variables::warn_of_unknown_variables();
    let style = tool.output_format().resolve(&arguments);
    let mut io = Io::from_process(name, tool.output(), style, progress);
    let result = panic::catch_unwind(AssertUnwindSafe(|| tool.run(&mut io)));
    signals::wait_if_terminating();
    let status = match result {
        Ok(Ok(())) => io.status(),
        Ok(Err(failure)) => io.fail_run(&failure),
        Err(_) => io.fail_by_panic(),
    };
    claims.end();
    ExitCode::from(status)
}

/// Prints the help or the version that was asked for, or else the error in the command line.
fn end_before_run(name: &'static str, arguments: &[OsString], stopped: Stopped) -> ExitCode {
    let text = match stopped {
        Stopped::Shown(text) => text,
        Stopped::Usage(error) => {
            let format = LineFormat {
                tool: name,
                format: usage::requested_format(arguments),
            };
            let fields = error.into_fields(name);
            log::write_line(format, Level::ERROR, fields);
            return ExitCode::from(Exit::Usage.code());
        }
    };
    match text.print() {
        // `tool --help | head` succeeds although `head` closes the pipe early.
        Err(failed) if failed.kind() != ErrorKind::BrokenPipe => ExitCode::from(Exit::Io.code()),
        _ => ExitCode::from(Exit::Done.code()),
    }
}
