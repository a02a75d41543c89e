//! The command line of `soci-prune`.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::{ArgGroup, Parser};
use soci_cli::{CommonArgs, Failure, Io, Output, SizeArgument, Tool, parse_flag};

use crate::choice::Limits;
use crate::prune::{Format, Mode, Pruner};

/// The seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Remove from the store what no recent index needs
///
/// Layers go first, because the tools can download them again; then what no index needs; then the
/// indexes that were not used for the longest time, with their ztocs. Other tools may use the store
/// at the same time. An image that `index.json` of the store lists is never removed, nor is anything
/// in a directory that the tools have not made.
#[derive(Debug, Parser)]
#[command(
    name = "soci-prune",
    version,
    group = ArgGroup::new("limit").required(true).multiple(true).args(["keep_days", "max_size"]),
    after_help = "Examples:\n  soci-prune --keep-days 30\n  soci-prune --max-size 10GiB --dry-run\n  soci-prune --keep-days 30 --max-size 10GiB --format json | jq 'select(.store)'"
)]
pub struct Args {
    /// Remove what was not used for this many days
    #[arg(long, value_name = "DAYS", env = "SOCI_KEEP_DAYS")]
    keep_days: Option<u32>,

    /// Remove what was not used for the longest time, until the store has at most this size
    #[arg(long, value_name = "SIZE", env = "SOCI_MAX_SIZE")]
    max_size: Option<SizeArgument>,

    /// Keep what was used within this time, except layers that no running tool may need
    #[arg(
        long,
        value_name = "DURATION",
        env = "SOCI_MIN_AGE",
        default_value = "86400"
    )]
    min_age: u64,

    /// Remove nothing, but print what would be removed
    #[arg(long, env = "SOCI_DRY_RUN", value_parser = parse_flag)]
    dry_run: bool,

    /// Format of the output [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT", env = "SOCI_PRUNE_FORMAT")]
    format: Option<Format>,

    #[command(flatten)]
    common: CommonArgs,
}

impl Tool for Args {
    fn common_args(&self) -> &CommonArgs {
        &self.common
    }

    fn output(&self) -> Output {
        Output::Other
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let keep = |days| Duration::from_secs(u64::from(days) * DAY);
        if let Some(max_size) = self.max_size {
            max_size.warn_if_implausible("--max-size (SOCI_MAX_SIZE)");
        }
        let default_format = || {
            if std::io::stdout().is_terminal() {
                Format::Text
            } else {
                Format::Json
            }
        };
        let pruner = Pruner {
            limits: Limits {
                keep: self.keep_days.map(keep),
                max_size: self.max_size.map(|max_size| max_size.size.0),
                min_age: Duration::from_secs(self.min_age),
            },
            mode: if self.dry_run {
                Mode::DryRun
            } else {
                Mode::Remove
            },
            format: self.format.unwrap_or_else(default_format),
        };
        pruner.prune(io, &self.common.store_directory()?)
    }
}
