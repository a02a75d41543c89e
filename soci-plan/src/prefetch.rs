//! The files to fetch before the container starts, as given on the command line.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use soci_cli::Failure;
use soci_document::Exit;

/// The maximum size of the list in bytes: room for 100,000 paths.
const MAX_LIST: u64 = 8 << 20;

/// Reads the JSON array of paths in the file `list`.
pub(crate) fn read_paths(list: &Path) -> Result<Vec<String>, Failure> {
    let context = format!(
        "cannot read the list of files to prefetch `{}`",
        list.display()
    );
    let text = read_bounded(list)
        .map_err(|error| Failure::new(Exit::Configuration, error).context(context.clone()))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::new(Exit::Configuration, error).context(context))
}

/// Reads a file that is at most [`MAX_LIST`] long. It may be a pipe.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_LIST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_LIST {
        let message = format!("it is larger than {} MiB", MAX_LIST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// Normalizes each path and drops those that name no file.
pub(crate) fn normalize_paths(paths: &[String]) -> Vec<String> {
    paths
        .iter()
        .map(|path| normalize_path(path))
        .filter(|path| !path.is_empty())
        .collect()
}

/// Returns a path relative to the root of the image, without surrounding blanks, `.`, `..` or
/// repeated slashes: `/etc//./hosts` becomes `etc/hosts`. A `..` never leaves the root.
fn normalize_path(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.trim().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_paths() {
        for (path, expected) in [
            ("/a/b", "a/b"),
            ("dir/", "dir"),
            ("./a//b/../c", "a/c"),
            ("../a", "a"),
            (" a ", "a"),
            ("/", ""),
        ] {
            assert_eq!(normalize_path(path), expected, "{path}");
        }
    }
}
