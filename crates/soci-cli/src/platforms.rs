//! Platforms on the command line.

use std::str::FromStr;

use soci_oci::Platform;

/// Platforms that are separated by commas or white space, such as `linux/amd64, linux/arm64`. No
/// platform occurs twice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Platforms(pub Vec<Platform>);

/// The error for a text that is not a list of platforms.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected platforms as [os/]architecture[/variant], such as linux/amd64, arm64 or linux/arm/v7"
)]
pub struct PlatformsError;

impl Platforms {
    /// Returns the platforms of several lists, each once, in their order.
    pub fn merge(lists: Vec<Self>) -> Vec<Platform> {
        let mut merged: Vec<Platform> = Vec::new();
        for platform in lists.into_iter().flat_map(|list| list.0) {
            if !merged
                .iter()
                .any(|other| other.normalized() == platform.normalized())
            {
                merged.push(platform);
            }
        }
        merged
    }
}

impl FromStr for Platforms {
    type Err = PlatformsError;

    fn from_str(text: &str) -> Result<Self, PlatformsError> {
        let parts = text.split([',', ' ', '\t', '\n', '\r']);
        let parts = parts.filter(|part| !part.is_empty());
        let platforms: Vec<Platform> = parts
            .map(str::parse)
            .collect::<Result<_, _>>()
            .or(Err(PlatformsError))?;
        if platforms.is_empty() {
            return Err(PlatformsError);
        }
        Ok(Self(Self::merge(vec![Self(platforms)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_lists_with_commas_and_white_space() {
        for (text, platforms) in [
            ("amd64", "linux/amd64"),
            ("linux/amd64, linux/arm64", "linux/amd64 linux/arm64"),
            ("linux/amd64 linux/arm64\n", "linux/amd64 linux/arm64"),
            ("x86_64,amd64,linux/amd64,", "linux/amd64"),
            ("arm/v7,arm64/v8", "linux/arm/v7 linux/arm64/v8"),
        ] {
            let parsed = text.parse::<Platforms>().expect(text).0;
            let parsed: Vec<String> = parsed.iter().map(ToString::to_string).collect();
            assert_eq!(parsed.join(" "), platforms, "{text}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_platform() {
        for text in [
            "",
            ",",
            " ",
            "linux/",
            "amd64;arm64",
            "apples",
            "linux/amd64,*",
        ] {
            assert_eq!(text.parse::<Platforms>(), Err(PlatformsError), "{text}");
        }
    }
}
