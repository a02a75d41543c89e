//! The options that show what is in a ztoc.

use clap::Args;
use soci_cli::parse_flag;

use super::View;

/// The options that show what is in the ztocs of an image instead of checking it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Looking inside")]
pub(crate) struct InspectArgs {
    /// Write the files of each ztoc, one JSON object per line, and check nothing
    ///
    /// Of an image of several platforms, shows the one of --platform, else linux/amd64.
    #[arg(long, hide_short_help = true, env = "SOCI_LIST", value_parser = parse_flag, conflicts_with_all = ["spans", "extract"])]
    list: bool,

    /// Write the spans of each ztoc, one JSON object per line, and check nothing
    ///
    /// A line tells where a span starts and ends, what its checkpoint takes in the ztoc, and how
    /// many bytes are fetched and inflated to read a file in it.
    #[arg(long, hide_short_help = true, env = "SOCI_SPANS", value_parser = parse_flag, conflicts_with = "extract")]
    spans: bool,

    /// Write the content of this file of the image, and check nothing
    ///
    /// Reads only the spans of the file. Links are followed. A file of an upper layer replaces one
    /// of a lower layer, and a whiteout removes it.
    #[arg(
        long,
        hide_short_help = true,
        value_name = "PATH",
        env = "SOCI_EXTRACT"
    )]
    extract: Option<String>,

    /// With --list, --spans and --extract: only this layer
    ///
    /// The digest of a layer, or its start, such as sha256:4f4f.
    #[arg(
        long,
        hide_short_help = true,
        value_name = "DIGEST",
        env = "SOCI_LAYER"
    )]
    pub(crate) layer: Option<String>,
}

impl InspectArgs {
    /// Returns what to show, unless the image is to be checked.
    pub(crate) fn view(&self) -> Option<View> {
        if self.list {
            return Some(View::Files);
        }
        if self.spans {
            return Some(View::Spans);
        }
        self.extract.clone().map(View::File)
    }
}
