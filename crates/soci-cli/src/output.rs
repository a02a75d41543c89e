//! The format of what a tool writes to stdout.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;

use clap::{Args, ValueEnum};
use soci_document::{Document, FailedImage};

use crate::human;

/// The arguments of the tools that write documents to stdout.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Format of stdout
    #[arg(
        long,
        help_heading = "Store and messages",
        hide_short_help = true,
        value_name = "FORMAT",
        env = "SOCI_FORMAT",
        default_value = "auto"
    )]
    pub format: OutputFormat,
}

/// The format of stdout, as the user asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum OutputFormat {
    /// text if stdout is a terminal, else json
    Auto,
    /// One document per line, which the next tool reads
    Json,
    /// A summary of each image; in a pipe, only the option selects it, not the variable
    Text,
}

/// The format of stdout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    /// Documents, one on each line.
    Json,
    /// A summary of each image.
    Text,
}

impl Style {
    /// Formats a document. For a reader, `report` formats it if the tool has a report of its own.
    pub(crate) fn format_document(
        self,
        document: &Document,
        report: Option<fn(&Document) -> String>,
    ) -> Vec<u8> {
        match self {
            Self::Json => document.to_line(),
            Self::Text => report.unwrap_or(human::format_document)(document).into_bytes(),
        }
    }

    /// Formats an image that failed in this stage.
    pub(crate) fn format_failed(self, failed: &FailedImage) -> Vec<u8> {
        self.format_passed_on(&failed.to_line(), failed)
    }

    /// Formats an image that failed in an earlier stage, whose line is passed on as it came.
    pub(crate) fn format_passed_on(self, line: &[u8], failed: &FailedImage) -> Vec<u8> {
        match self {
            Self::Json if line.ends_with(b"\n") => line.to_vec(),
            Self::Json => [line, b"\n"].concat(),
            Self::Text => human::format_failed(failed).into_bytes(),
        }
    }

    /// Returns whether stdout and stderr are terminals, so that the summary of an image on stdout
    /// tells its user what a message on stderr would tell.
    pub(crate) fn is_read_with_messages(self) -> bool {
        self == Self::Text && io::stdout().is_terminal() && io::stderr().is_terminal()
    }
}

/// What stdout is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stdout {
    /// A file or a device.
    File,
    /// A pipe or a socket, at whose other end may be the next tool.
    Pipe,
    /// A terminal.
    Terminal,
}

impl OutputFormat {
    /// Returns the format of the stdout of this process, whose command line is `arguments`.
    pub(crate) fn resolve(self, arguments: &[OsString]) -> Style {
        self.resolve_for(Stdout::of_process(), has_format_option(arguments))
    }

    /// A variable that is set for all tools of a pipe must not break the pipe, so that only the
    /// option sends text into one.
    const fn resolve_for(self, stdout: Stdout, is_option: bool) -> Style {
        match (self, stdout) {
            (Self::Text, Stdout::Pipe) if !is_option => Style::Json,
            (Self::Text, _) | (Self::Auto, Stdout::Terminal) => Style::Text,
            (Self::Auto | Self::Json, _) => Style::Json,
        }
    }
}

impl Stdout {
    fn of_process() -> Self {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Self::Terminal;
        }
        let metadata = stdout.as_fd().try_clone_to_owned();
        let metadata = metadata.and_then(|stdout| File::from(stdout).metadata());
        match metadata.map(|metadata| metadata.file_type()) {
            Ok(kind) if kind.is_fifo() || kind.is_socket() => Self::Pipe,
            _ => Self::File,
        }
    }
}

/// Returns whether the command line has the option `--format`.
fn has_format_option(arguments: &[OsString]) -> bool {
    let options = arguments.iter().skip(1).take_while(|text| *text != "--");
    options
        .map(|option| option.as_encoded_bytes())
        .any(|option| option == b"--format" || option.starts_with(b"--format="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_option(arguments: &[&str]) -> bool {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        has_format_option(&arguments)
    }

    #[test]
    fn a_pipe_gets_text_only_by_the_option() {
        use OutputFormat::{Auto, Json, Text};
        for (format, stdout, is_option, expected) in [
            (Auto, Stdout::Terminal, false, Style::Text),
            (Auto, Stdout::Pipe, false, Style::Json),
            (Auto, Stdout::File, true, Style::Json),
            (Json, Stdout::Terminal, true, Style::Json),
            (Text, Stdout::Pipe, true, Style::Text),
            (Text, Stdout::Pipe, false, Style::Json),
            (Text, Stdout::File, false, Style::Text),
        ] {
            let found = format.resolve_for(stdout, is_option);
            assert_eq!(found, expected, "{format:?} {stdout:?} {is_option}");
        }
    }

    #[test]
    fn finds_the_option_in_the_command_line() {
        assert!(has_option(&["soci-push", "--format", "text"]));
        assert!(has_option(&["soci-push", "-q", "--format=text"]));
        assert!(!has_option(&["--format"]), "the name of the program");
        assert!(!has_option(&["soci-pull", "--", "--format"]));
        assert!(!has_option(&["soci-push", "--formats"]));
    }
}
