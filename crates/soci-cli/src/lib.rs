//! The command-line frame of all tools: arguments, exit statuses, stdin, stdout, stderr, signals.
//!
//! A tool implements [`Tool`]: a function from its arguments and an [`Io`] to a result.
//! [`run_tool`] parses the arguments, sets up the messages on stderr, calls that function, prints
//! the failure, and returns the exit status. Nothing else prints or exits.

mod args;
mod command_line;
mod decimal;
mod decisions;
mod duration;
mod empty_variables;
mod failure;
mod help;
mod human;
mod io;
mod log;
mod multicall;
mod option_table;
mod output;
mod permits;
mod platforms;
mod progress;
mod reference;
mod run;
mod signals;
mod size;
mod unknown_variables;
mod usage;
mod workers;

pub use args::{CommonArgs, CountError, FlagError, LogFormat, parse_count, parse_flag};
pub use decisions::print_decisions;
pub use duration::{Seconds, SecondsError};
pub use failure::Failure;
pub use io::{DownstreamGone, IN_FLIGHT, Images, Io, Named, Output, Processed, Request, Work};
pub use multicall::{NamedTool, run_named_tool};
pub use option_table::{OptionDescription, Variable, describe_options};
pub use output::{OutputArgs, OutputFormat};
pub use permits::{InWork, InWorkGuard, Permit, Permits, Share};
pub use platforms::{Platforms, PlatformsError};
pub use progress::{Bar, ImageProgress, Progress};
pub use reference::parse_reference;
pub use run::{Tool, run_tool};
pub use signals::on_signal;
pub use size::{ByteSize, ByteSizeError, SizeArgument};
pub use soci_oci::printable::to_printable;
pub use unknown_variables::known_variables;
pub use workers::{run_both, run_parallel};
