//! The settings of the function, from its environment variables.

use std::env;
use std::path::PathBuf;

use crate::filter::{FilterError, Filters};

/// The settings of the function. The tools read the variables `SOCI_…` themselves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The images that are indexed (`IMAGE_FILTERS`).
    pub filters: Filters,
    /// The platforms that are indexed (`IMAGE_ARCH`, separated by commas), or none for all.
    pub platforms: Vec<String>,
    /// The directory of the tools, or `None` to search them in `PATH`.
    pub tools: Option<PathBuf>,
    /// The directory of the store. It is emptied when it has grown large.
    pub store: PathBuf,
    /// The end of the tags that the function gives to converted images, such as `-soci`, or `None` if
    /// its tags (`SOCI_TAG`) or their registry (`SOCI_TO`) are others than the default.
    pub own_suffix: Option<&'static str>,
}

/// A setting that is missing or malformed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `IMAGE_FILTERS` is missing or malformed.
    #[error("IMAGE_FILTERS: {0}")]
    Filters(#[from] FilterError),
}

impl Settings {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    ///
    /// Returns an error if `IMAGE_FILTERS` is missing or malformed.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Ok(Self {
            filters: variable("IMAGE_FILTERS").parse()?,
            platforms: parse_platforms(&variable("IMAGE_ARCH")),
            tools: directory_of_tools(),
            store: env::temp_dir().join("soci"),
            own_suffix: ["SOCI_TAG", "SOCI_TO"]
                .iter()
                .all(|name| variable(name).is_empty())
                .then_some("-soci"),
        })
    }

    /// Returns whether a push under this tag is one that the function itself has made.
    pub(crate) fn is_own_tag(&self, tag: &str) -> bool {
        self.own_suffix.is_some_and(|suffix| tag.ends_with(suffix))
    }
}

fn variable(name: &str) -> String {
    let value = env::var_os(name).unwrap_or_default();
    // A byte that is not UTF-8 becomes a sign that no setting may have.
    value.to_string_lossy().into_owned()
}

fn parse_platforms(list: &str) -> Vec<String> {
    if list.trim().eq_ignore_ascii_case("all") {
        return Vec::new();
    }
    let words = list.split(|sign: char| sign == ',' || sign.is_whitespace());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the directory of this program if the tools are in it.
fn directory_of_tools() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let directory = program.parent()?;
    directory
        .join("soci-pull")
        .is_file()
        .then(|| directory.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_platforms_are_the_default() {
        assert!(parse_platforms("").is_empty());
        assert!(parse_platforms(" ALL ").is_empty());
        let two = parse_platforms("linux/amd64, linux/arm64");
        assert_eq!(two, ["linux/amd64", "linux/arm64"]);
    }
}
