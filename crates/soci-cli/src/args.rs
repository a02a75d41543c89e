//! Arguments that several tools take.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use soci_document::Exit;
use soci_layout::{Layout, StoreTrust};

use crate::Failure;

/// The heading of these arguments in the help text. It stands at each argument, because
/// `next_help_heading` would also move the arguments after these under it.
const HEADING: &str = "Store and messages";

/// The arguments of every tool.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// Directory of the store [default: ~/.cache/soci]
    ///
    /// It is an OCI image layout. The default is soci in the user's cache directory, as the XDG
    /// Base Directory Specification defines it.
    #[arg(long, help_heading = HEADING, value_name = "DIR", env = "SOCI_STORE")]
    pub store: Option<PathBuf>,

    /// Use a store that other users can write to
    ///
    /// Without it, the store must belong to the user who runs the tool or to root, and not every
    /// user may be able to write to it: who can write to the store can replace ztocs, which
    /// containers then read.
    #[arg(long, help_heading = HEADING, hide_short_help = true, env = "SOCI_TRUST_STORE", value_parser = parse_flag)]
    pub trust_store: bool,

    /// Print only errors
    #[arg(short, long, help_heading = HEADING, env = "SOCI_QUIET", value_parser = parse_flag, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print more details; -vv prints even more
    ///
    /// With -vv, every HTTP request is printed. The variable is 1 for -v and 2 for -vv.
    #[arg(short, long, help_heading = HEADING, env = "SOCI_VERBOSE", action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Format of messages on stderr
    #[arg(
        long,
        help_heading = HEADING,
        hide_short_help = true,
        value_name = "FORMAT",
        env = "SOCI_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// The format of messages on stderr.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line
    Json,
    /// Plain text
    Text,
}

/// The error for a text that is not a boolean.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected true or false (also yes or no, on or off, 1 or 0)")]
pub struct FlagError;

/// Parses a boolean: the value of a flag, in any case, with or without white space around it.
///
/// # Errors
///
/// Returns an error if the text is none of the spellings that [`FlagError`] lists, or their first
/// letters.
pub fn parse_flag(text: &str) -> Result<bool, FlagError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err(FlagError),
    }
}

/// The error for a text that is not a verbosity.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected 0, 1 or 2 (also true or false)")]
pub(crate) struct VerbosityError;

/// Parses how often `-v` is given: a number, or a boolean for 1 and 0.
///
/// # Errors
///
/// Returns an error if the text is neither.
pub(crate) fn parse_verbosity(text: &str) -> Result<u8, VerbosityError> {
    let number = text.trim().parse();
    let flag = || parse_flag(text).map(u8::from);
    number
        .or_else(|_not_a_number| flag())
        .or(Err(VerbosityError))
}

/// The error for a text that is not a count.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected a whole number, at least 1")]
pub struct CountError;

/// Parses a count, such as a number of connections.
///
/// # Errors
///
/// Returns an error if the text is not a whole number, or is 0.
pub fn parse_count(text: &str) -> Result<NonZeroUsize, CountError> {
    text.trim().parse().ok().ok_or(CountError)
}

impl CommonArgs {
    /// Returns the directory of the store, whether or not it exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the user names no directory, and there is no default.
    pub fn store_directory(&self) -> Result<PathBuf, Failure> {
        match &self.store {
            Some(directory) => Ok(directory.clone()),
            None => default_store(),
        }
    }

    /// Opens the store, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no default directory for the store, or if the store cannot be
    /// created or written.
    pub fn open_store(&self) -> Result<Layout, Failure> {
        let directory = self.store_directory()?;
        let trust = if self.trust_store {
            StoreTrust::Everyone
        } else {
            StoreTrust::OwnOrRoot
        };
        Layout::open_or_create_store(&directory, trust).map_err(|error| {
            let failure = Failure::from(error).context("cannot open the store");
            if failure.exit == Exit::StoreUnwritable && failure.hint.is_none() {
                failure.hint("choose a writable directory with --store")
            } else {
                failure
            }
        })
    }
}

/// Returns the default directory of the store: `soci` in `$XDG_CACHE_HOME`, or else in
/// `$HOME/.cache` (XDG Base Directory Specification).
fn default_store() -> Result<PathBuf, Failure> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home_cache = || {
        std::env::var_os("HOME")
            .filter(|path| !path.is_empty())
            .map(|home| PathBuf::from(home).join(".cache"))
    };
    let cache = cache.or_else(home_cache).ok_or_else(|| {
        Failure::message(
            Exit::StoreUnwritable,
            "no directory for the store: neither HOME nor XDG_CACHE_HOME is set",
        )
        .hint("choose one with --store or SOCI_STORE")
    })?;
    Ok(cache.join("soci"))
}
