//! The command line of `soci-report`.

use clap::{Parser, ValueEnum};
use soci_cli::{CommonArgs, Failure, Io, Tool};
use soci_document::{Document, Exit};

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

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let mut documents = Vec::new();
        while let Some(line) = io.read_line()? {
            match Document::from_line(&line) {
                Ok(document) => documents.push(document),
                Err(error) => io.fail_document(None, error.into()),
            }
        }
        if documents.is_empty() {
            return Err(Failure::message(
                Exit::NoInput,
                "no document on stdin: the previous stage may have failed",
            ));
        }
        let report = match self.format {
            Format::Text => text::render(&documents),
        };
        io.write_text(&report)
    }
}
