//! Files to fetch before the container starts, as users name them.

use std::path::Path;

use soci_cli::Failure;
use soci_document::Exit;

/// Reads a JSON array of paths.
pub(crate) fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let context = format!("cannot read the list of files `{}`", path.display());
    let text = std::fs::read(path)
        .map_err(|error| Failure::new(Exit::Configuration, error).context(context.clone()))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::new(Exit::Configuration, error).context(context))
}

/// Returns the paths without what does not tell them apart: blanks around them, `.`, `..`, doubled and outer slashes.
pub(crate) fn normalized(paths: &[String]) -> Vec<String> {
    paths
        .iter()
        .map(|path| clean(path))
        .filter(|path| !path.is_empty())
        .collect()
}

fn clean(path: &str) -> String {
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
    fn cleans_paths_as_the_ecosystem_does() {
        for (path, expected) in [
            ("/a/b", "a/b"),
            ("dir/", "dir"),
            ("./a//b/../c", "a/c"),
            ("../a", "a"),
            (" a ", "a"),
            ("/", ""),
        ] {
            assert_eq!(clean(path), expected);
        }
    }
}
