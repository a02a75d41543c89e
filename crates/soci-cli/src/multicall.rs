//! Several tools in one binary.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use soci_document::Exit;
use tracing::Level;

use crate::log::{self, Fields, LineFormat};
use crate::run::{Tool, run_tool};
use crate::usage;

/// A tool in a binary that contains several.
#[derive(Debug, Clone, Copy)]
pub struct NamedTool {
    name: &'static str,
    run: fn(&'static str) -> ExitCode,
}

impl NamedTool {
    /// Returns the tool with the arguments `T`, which runs if the binary is called by `name`.
    pub const fn new<T: Tool>(name: &'static str) -> Self {
        Self {
            name,
            run: run_tool::<T>,
        }
    }
}

/// Runs the tool by whose name the process was started, and returns its exit status. `binary` is
/// the binary's own name, by which it cannot be started.
pub fn run_named_tool(binary: &'static str, tools: &[NamedTool]) -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    let path = arguments.first().map(Path::new);
    let called = path.and_then(Path::file_name).unwrap_or_default();
    if let Some(tool) = tools.iter().find(|tool| called == tool.name) {
        return (tool.run)(tool.name);
    }
    let names: Vec<&str> = tools.iter().map(|tool| tool.name).collect();
    let message = format!(
        "call this binary by the name of a tool, through a link: {}",
        names.join(", ")
    );
    let format = LineFormat {
        tool: binary,
        format: usage::requested_format(&arguments),
    };
    let fields = Fields::new(message).with("exit", Some(Exit::Usage.code()));
    log::write_line(format, Level::ERROR, fields);
    ExitCode::from(Exit::Usage.code())
}
