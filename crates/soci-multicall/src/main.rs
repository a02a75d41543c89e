//! All tools in one binary, which is the tool whose name it is called by.
//!
//! The container has symbolic links with the names of the tools. One binary shares what seven
//! binaries would each contain: a third of the size.

use std::process::ExitCode;

use soci_cli::{NamedTool, run_named_tool};

const TOOLS: [NamedTool; 7] = [
    NamedTool::new::<soci_pull::Args>("soci-pull"),
    NamedTool::new::<soci_plan::Args>("soci-plan"),
    NamedTool::new::<soci_index::Args>("soci-index"),
    NamedTool::new::<soci_check::Args>("soci-check"),
    NamedTool::new::<soci_push::Args>("soci-push"),
    NamedTool::new::<soci_report::Args>("soci-report"),
    NamedTool::new::<soci_prune::Args>("soci-prune"),
];

fn main() -> ExitCode {
    run_named_tool(env!("CARGO_BIN_NAME"), &TOOLS)
}
