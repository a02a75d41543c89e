//! Arguments that several tools take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use soci_document::Exit;
use soci_layout::Layout;

use crate::Failure;

/// What every tool takes.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Folder of the store, an OCI image layout [default: soci in the cache folder of the user]
    #[arg(long, value_name = "DIR", env = "SOCI_STORE")]
    pub store: Option<PathBuf>,

    /// Print errors only
    #[arg(short, long, env = "SOCI_QUIET", value_parser = flag, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print more; twice prints every request
    #[arg(short, long, env = "SOCI_VERBOSE", action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Form of the lines on stderr
    #[arg(
        long,
        value_name = "FORMAT",
        env = "SOCI_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

/// The form of the lines on stderr.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// Plain text
    Text,
}

/// A text that does not say yes or no.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected true, yes, on or 1, or else false, no, off, 0 or nothing")]
pub struct FlagError;

/// Reads a flag as an environment variable gives it.
///
/// # Errors
///
/// Fails where the text says neither yes nor no.
pub fn flag(text: &str) -> Result<bool, FlagError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" | "" => Ok(false),
        _ => Err(FlagError),
    }
}

impl Common {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// Fails where no folder is known for it, or it cannot be written.
    pub fn open_store(&self) -> Result<Layout, Failure> {
        let folder = match &self.store {
            Some(folder) => folder.clone(),
            None => default_store()?,
        };
        Layout::open_or_create(&folder).map_err(|error| {
            let failure = Failure::from(error).context("cannot open the store");
            if failure.exit == Exit::StoreUnwritable {
                failure.hint("name a folder that can be written with --store")
            } else {
                failure
            }
        })
    }
}

/// Returns the store's folder by the rules of the XDG base directory specification.
fn default_store() -> Result<PathBuf, Failure> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home = || {
        std::env::var_os("HOME")
            .filter(|path| !path.is_empty())
            .map(|home| PathBuf::from(home).join(".cache"))
    };
    let folder = cache.or_else(home).ok_or_else(|| {
        Failure::message(
            Exit::StoreUnwritable,
            "no folder for the store: neither HOME nor XDG_CACHE_HOME is set",
        )
        .hint("name one with --store or SOCI_STORE")
    })?;
    Ok(folder.join("soci"))
}
