//! Empty environment variables of the libraries that the tools use.
//!
//! CI systems set a variable to the empty text where a user has given no value. The tools' own
//! variables are read accordingly, but the libraries for AWS, proxies and certificates read the
//! environment by themselves, and take an empty `AWS_PROFILE` as the name of a profile.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// The name of the binary that contains all tools.
const MULTICALL_BINARY: &str = "soci-multicall";

/// Starts the tool `name` again, as the same process and without empty variables of libraries, if
/// it has any. Returns if it has none, or if the tool cannot be started again.
///
/// A process cannot remove its own variables safely, because other threads may read them.
pub(crate) fn restart_without_empty_variables(name: &str) {
    let empty: Vec<OsString> = env::vars_os()
        .filter(|(name, value)| value.is_empty() && is_of_library(name))
        .map(|(name, _)| name)
        .collect();
    if empty.is_empty() {
        return;
    }
    // The executable may be another one, such as the dynamic linker that has started the tool.
    let Some(executable) = env::current_exe()
        .ok()
        .filter(|path| [name, MULTICALL_BINARY].contains(&file_name(path)))
    else {
        return;
    };
    let mut arguments = env::args_os();
    let mut command = Command::new(executable);
    command.arg0(arguments.next().unwrap_or_else(|| name.into()));
    command.args(arguments);
    for name in empty {
        command.env_remove(name);
    }
    // If this returns, it has failed, and the libraries see the empty variables.
    let _error = command.exec();
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// Returns whether a library of the tools reads the variable `name`.
fn is_of_library(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.starts_with("AWS_") || name.starts_with("SSL_CERT_") || name.ends_with("_PROXY")
}
