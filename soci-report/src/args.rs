//! The command line of `soci-report`.

use clap::{Parser, ValueEnum};
use soci_cli::{CommonArgs, Failure, Io, Output, Tool};

use crate::text;

/// Report on documents: what is indexed, what is skipped and why, what to deploy
///
/// Reads the documents of any stage from stdin and writes one report on all of them to stdout.
#[derive(Debug, Parser)]
#[command(
    name = "soci-report",
    version,
    after_help = "Examples:\n  soci-report < pushed.json"
)]
pub struct Args {
    /// Format of the report
    #[arg(
        long,
        value_name = "FORMAT",
        env = "SOCI_REPORT_FORMAT",
        default_value = "text"
    )]
    format: Format,

    #[command(flatten)]
    common: CommonArgs,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// Text for a terminal
    Text,
}

impl Tool for Args {
    fn common_args(&self) -> &CommonArgs {
        &self.common
    }

    fn output(&self) -> Output {
        Output::Other
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let lines = io.read_all()?;
        let report = match self.format {
            Format::Text => text::render(&lines),
        };
        io.write_text(&report)
    }
}
