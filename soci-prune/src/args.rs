//! The command line of `soci-prune`.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use soci_cli::{CommonArgs, Failure, Io, Output, Seconds, SizeArgument, Tool, parse_flag};
use soci_document::Exit;

use crate::choice::Limits;
use crate::prune::{Format, Mode, Pruner};

/// The error for a text that is not a number of days.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected a whole number of days, such as 30")]
struct DaysError;

/// Parses a number of days, which may have the unit `d`.
fn parse_days(text: &str) -> Result<Duration, DaysError> {
    let text = text.trim();
    let days = text.strip_suffix('d').unwrap_or(text).parse::<u32>().ok();
    days.map(|days| Duration::from_hours(24 * u64::from(days)))
        .ok_or(DaysError)
}

/// Remove from the store what no recent index needs
///
/// Layers go first, because the tools can download them again; then what no index needs; then the
/// indexes that were not used for the longest time, with their ztocs. Other tools may use the store
/// at the same time. The images that `index.json` of the store lists stay, with their layers. A
/// directory that is not the store of the tools is refused.
#[derive(Debug, Parser)]
#[command(
    name = "soci-prune",
    version,
    after_help = "Examples:\n  soci-prune --keep-days 30\n  soci-prune --max-size 10GiB --dry-run\n  soci-prune --keep-days 30 --max-size 10GiB | jq 'select(.store)'"
)]
pub struct Args {
    /// Remove what was not used for this many days
    #[arg(long, value_name = "DAYS", env = "SOCI_KEEP_DAYS", value_parser = parse_days)]
    keep_days: Option<Duration>,

    /// Remove what was not used for the longest time, until the store has at most this size
    #[arg(long, value_name = "SIZE", env = "SOCI_MAX_SIZE")]
    max_size: Option<SizeArgument>,

    /// Keep what was used within this time, except layers
    ///
    /// A document in a file may name it. A layer is removed at any time if no tool runs, because
    /// the tools can download it again. While a tool runs, layers stay for an hour, and all other
    /// files for 24 hours.
    #[arg(
        long,
        hide_short_help = true,
        value_name = "DURATION",
        env = "SOCI_MIN_AGE",
        default_value = "24h"
    )]
    min_age: Seconds,

    /// Remove nothing, but print what would be removed
    #[arg(long, env = "SOCI_DRY_RUN", value_parser = parse_flag)]
    dry_run: bool,

    /// Format of stdout
    #[arg(
        long,
        hide_short_help = true,
        value_name = "FORMAT",
        env = "SOCI_FORMAT",
        default_value = "auto"
    )]
    format: FormatArgument,

    #[command(flatten)]
    common: CommonArgs,
}

/// The format of stdout, as the user asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum FormatArgument {
    /// text if stdout is a terminal, else json
    Auto,
    /// One JSON object for each file, and one for the store
    Json,
    /// A summary
    Text,
}

impl FormatArgument {
    fn resolve(self) -> Format {
        match self {
            Self::Auto if std::io::stdout().is_terminal() => Format::Text,
            Self::Auto | Self::Json => Format::Json,
            Self::Text => Format::Text,
        }
    }
}

impl Tool for Args {
    fn common_args(&self) -> &CommonArgs {
        &self.common
    }

    fn output(&self) -> Output {
        Output::Other
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        if self.keep_days.is_none() && self.max_size.is_none() {
            let message = "neither --keep-days nor --max-size is given";
            let hint = "for example, `soci-prune --keep-days 30` removes what was not used for 30 days, and `soci-prune --max-size 10GiB` what does not fit";
            return Err(Failure::message(Exit::Usage, message).hint(hint));
        }
        if let Some(max_size) = self.max_size {
            max_size.warn_if_implausible("--max-size (SOCI_MAX_SIZE)");
        }
        let pruner = Pruner {
            limits: Limits {
                keep: self.keep_days,
                max_size: self.max_size.map(|max_size| max_size.size.0),
                min_age: self.min_age.0,
            },
            mode: if self.dry_run {
                Mode::DryRun
            } else {
                Mode::Remove
            },
            format: self.format.resolve(),
        };
        pruner.prune(io, &self.common.store_directory()?)
    }
}
