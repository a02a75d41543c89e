//! The life of a tool's process.

use std::io::{ErrorKind, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::Parser;
use soci_document::Exit;

use crate::io::Io;
use crate::progress::Progress;
use crate::{Common, Failure, log, signals};

/// A tool: its arguments and what it does with them.
pub trait Tool: Parser {
    /// Returns the arguments that all tools share.
    fn common(&self) -> &Common;

    /// Does the work.
    ///
    /// # Errors
    ///
    /// Fails as the tool documents; failures of single images are reported to `io` instead.
    fn run(self, io: &mut Io) -> Result<(), Failure>;
}

/// Runs a tool as a process: parses the arguments, does the work, prints the failure, returns the exit status.
pub fn run<T: Tool>(name: &'static str) -> ExitCode {
    let tool = match T::try_parse() {
        Ok(tool) => tool,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code());
            return ExitCode::from(match error.print() {
                // Help that nobody reads to its end is no failure.
                Err(failed) if code == 0 && failed.kind() != ErrorKind::BrokenPipe => {
                    Exit::Io.code()
                }
                _ => code,
            });
        }
    };
    let quiet = tool.common().quiet;
    let progress = if quiet {
        Progress::hidden()
    } else {
        Progress::on_stderr()
    };
    let subscriber = log::subscriber(name, tool.common(), &progress);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        return ExitCode::from(Exit::Internal.code());
    }
    panic::set_hook(Box::new(move |panic| {
        // The last line of a process that has a bug; where stderr is gone as well, there is nobody to tell.
        drop(writeln!(
            std::io::stderr(),
            "{name}: internal error, please report it: {panic}"
        ));
    }));
    if let Err(error) = signals::watch(progress.clone()) {
        // The tool works all the same; only a signal would leave something behind.
        tracing::warn!(target: "soci", "cannot wait for signals: {error}");
    }
    let mut io = Io::standard(progress);
    let result = panic::catch_unwind(AssertUnwindSafe(|| tool.run(&mut io)));
    signals::wait_if_ending();
    let exit = match result {
        Ok(Ok(())) => io.first_failure().unwrap_or(Exit::Done),
        Ok(Err(failure)) => finish(&mut io, failure),
        Err(_) => Exit::Internal,
    };
    ExitCode::from(exit.code())
}

/// Ends a tool that failed as a whole. One that only suffered from the stage after it does so without a word.
fn finish(io: &mut Io, failure: Failure) -> Exit {
    let exit = failure.exit;
    if exit == Exit::DownstreamGone {
        return exit;
    }
    io.fail_document(None, failure);
    io.first_failure().unwrap_or(exit)
}
