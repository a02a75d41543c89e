//! The edge that all tools share: arguments, exit status, stdin, stdout, stderr.
//!
//! A tool is a function from its arguments and an [`Io`] to a result. [`run`] parses the arguments, sets up stderr, calls
//! the function, prints the failure and turns it into an exit status; nothing else prints or exits.

mod args;
mod failure;
mod io;
mod log;
mod progress;
mod run;
mod signals;
mod size;
mod workers;

pub use args::{Common, FlagError, LogFormat, flag};
pub use failure::Failure;
pub use io::{DownstreamGone, Io};
pub use log::printable;
pub use progress::{Bar, Progress};
pub use run::{Tool, run};
pub use signals::on_signal;
pub use size::{ByteSize, ByteSizeError};
pub use workers::in_parallel;
