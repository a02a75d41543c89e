//! The command line of `soci-report`.

use std::fmt;

use clap::{Parser, ValueEnum};
use soci_cli::{CommonArgs, Failure, Io, Output, Tool};
use soci_document::Exit;

use crate::read::report_on;
use crate::report::Report;
use crate::{html, markdown, text};

/// Report on documents: what is indexed, what is skipped and why, what to deploy
///
/// Reads the documents of any stage from stdin, also those of failed images, and writes one report
/// on all of them to stdout. The exit status is that of the first image that failed.
#[derive(Debug, Parser)]
#[command(
    name = "soci-report",
    version,
    after_help = "Examples:\n  soci-report < pushed.json\n  soci-report --format html < pushed.json > report.html\n  soci-report --format markdown < pushed.json >> \"$GITHUB_STEP_SUMMARY\"\n  soci-pull registry.example/app:v1 | soci-plan | soci-report"
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
    /// One page that needs no network
    Html,
    /// For GitHub's step summary; less than 1 MiB
    Markdown,
    /// For a terminal or a log
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
        let images = io.read_all(report_on)?;
        let report = Report { images };
        let mut text = String::new();
        let written = self.format.write(&mut text, &report);
        written.map_err(|error| Failure::new(Exit::Internal, error))?;
        io.write_text(&text)
    }
}

impl Format {
    fn write(self, out: &mut String, report: &Report) -> fmt::Result {
        match self {
            Self::Html => html::write(out, report),
            Self::Markdown => markdown::write(out, report),
            Self::Text => text::write(out, report),
        }
    }
}
