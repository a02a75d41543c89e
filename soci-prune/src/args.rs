//! The command line of `soci-prune`.

use clap::{ArgGroup, Parser};
use soci_cli::{CommonArgs, Failure, Io, Output, SizeArgument, Tool, parse_flag};
use soci_document::Exit;

/// Remove from the store what no recent index needs
///
/// Layers go first, because the tools can download them again; then what no index needs; then the
/// indexes that were not used for the longest time, with their ztocs.
#[derive(Debug, Parser)]
#[command(
    name = "soci-prune",
    version,
    group = ArgGroup::new("limit").required(true).multiple(true).args(["keep_days", "max_size"]),
    after_help = "Examples:\n  soci-prune --keep-days 30\n  soci-prune --max-size 10GiB --dry-run\n  soci-prune --keep-days 30 --max-size 10GiB | jq '.result // empty'"
)]
pub struct Args {
    /// Remove what was not used for this many days
    #[arg(long, value_name = "DAYS", env = "SOCI_KEEP_DAYS")]
    keep_days: Option<u32>,

    /// Remove what was not used for the longest time until the store has at most this size
    #[arg(long, value_name = "SIZE", env = "SOCI_MAX_SIZE")]
    max_size: Option<SizeArgument>,

    /// Remove nothing, but print what would be removed
    #[arg(long, env = "SOCI_DRY_RUN", value_parser = parse_flag)]
    dry_run: bool,

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

    fn run(self, _: &mut Io) -> Result<(), Failure> {
        Err(Failure::message(
            Exit::Internal,
            "this version removes nothing yet",
        ))
    }
}
