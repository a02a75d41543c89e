//! The main function of every tool.

use std::io::{ErrorKind, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;
use soci_document::Exit;

use crate::io::Io;
use crate::progress::Progress;
use crate::{CommonArgs, Failure, log, signals};

/// The arguments of a tool, and what the tool does with them.
pub trait Tool: Parser {
    /// Returns the arguments that every tool has.
    fn common_args(&self) -> &CommonArgs;

    /// Does the work of the tool.
    ///
    /// # Errors
    ///
    /// Returns an error that ends the whole run. The failure of a single image goes to
    /// [`Io::fail_document`] instead.
    fn run(self, io: &mut Io) -> Result<(), Failure>;
}

/// Parses the command line, runs the tool, prints its failure, and returns its exit status.
pub fn run_tool<T: Tool>(name: &'static str) -> ExitCode {
    let tool = match T::try_parse() {
        Ok(tool) => tool,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code());
            return ExitCode::from(match error.print() {
                // `tool --help | head` succeeds although `head` closes the pipe early.
                Err(failed) if code == 0 && failed.kind() != ErrorKind::BrokenPipe => {
                    Exit::Io.code()
                }
                _ => code,
            });
        }
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
    panic::set_hook(Box::new(move |panic| {
        // If stderr is closed as well, the exit status alone reports the bug.
        drop(writeln!(
            std::io::stderr(),
            "{name}: error: internal error, please report it: {panic}"
        ));
    }));
    if let Err(error) = signals::handle_signals(progress.clone()) {
        // The tool works without, but a signal would leave temporary files behind.
        tracing::warn!("cannot handle signals: {error}");
    }
    let mut io = Io::from_process(progress);
    let result = panic::catch_unwind(AssertUnwindSafe(|| tool.run(&mut io)));
    signals::wait_if_terminating();
    let exit = match result {
        Ok(Ok(())) => io.first_failure().unwrap_or(Exit::Done),
        Ok(Err(failure)) => report_failure(&mut io, failure),
        Err(_) => Exit::Internal,
    };
    ExitCode::from(exit.code())
}

/// Prints the failure of the whole run and returns the exit status. If the next stage closed the
/// pipe, nothing is printed: that stage prints the cause.
fn report_failure(io: &mut Io, failure: Failure) -> Exit {
    let exit = failure.exit;
    if exit == Exit::DownstreamGone {
        return exit;
    }
    io.fail_document(None, failure);
    io.first_failure().unwrap_or(exit)
}
