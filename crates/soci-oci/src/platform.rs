//! Platforms: what an image runs on, how users spell it, and what matches what.
//!
//! The rules are those of containerd's `platforms` package, which every SOCI tool uses, so that a request selects the same
//! manifest here as there.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::descriptor::or_default;

/// What an image runs on (OCI image-spec, `image-index.md`, `platform`), in the field order of Go's JSON.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Platform {
    /// The processor architecture as Go names it.
    #[serde(default)]
    pub architecture: String,
    /// The operating system as Go names it.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Features that the operating system must have.
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why a text is not a platform.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "platform `{text}`: expected os/architecture[/variant], such as linux/amd64 or linux/arm/v6"
)]
pub struct PlatformError {
    text: String,
}

impl Platform {
    /// Returns the platform of an operating system, an architecture and, unless it is empty, a variant.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
        }
    }

    /// Returns the platform in its normal form: lower case, no aliases, no variant that is implied by the architecture,
    /// features in order.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let (architecture, variant) =
            normalize_architecture(&self.architecture, self.variant.as_deref().unwrap_or(""));
        let mut os_features = self.os_features.clone();
        os_features.sort();
        Self {
            architecture,
            os: normalize_os(&self.os),
            os_version: self.os_version.clone(),
            os_features,
            variant: (!variant.is_empty()).then_some(variant),
        }
    }

    /// Says whether an image for `candidate` satisfies a request for this platform.
    ///
    /// Operating system, architecture and variant must be equal in their normal forms; there is no fallback to a lesser
    /// variant. A candidate that needs a feature of the operating system matches only a request that names it.
    pub fn matches(&self, candidate: &Self) -> bool {
        let (wanted, offered) = (self.normalized(), candidate.normalized());
        wanted.os == offered.os
            && wanted.architecture == offered.architecture
            && wanted.variant == offered.variant
            && offered
                .os_features
                .iter()
                .all(|feature| wanted.os_features.contains(feature))
            && (wanted.os != "windows"
                || wanted.os_version.is_none()
                || wanted.os_version == offered.os_version)
    }

    /// Says whether the platform is a placeholder, as attestation manifests carry it.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let plain = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        if !(2..=3).contains(&parts.len()) || !parts.iter().all(plain) {
            let text = text.escape_debug().take(100).collect();
            return Err(PlatformError { text });
        }
        let (architecture, mut variant) =
            normalize_architecture(parts[1], parts.get(2).copied().unwrap_or(""));
        match (parts.len(), architecture.as_str()) {
            (2, "arm") if variant == "v7" => variant.clear(),
            (3, "arm64") if variant.is_empty() => "v8".clone_into(&mut variant),
            _ => {}
        }
        Ok(Self::new(&normalize_os(parts[0]), &architecture, &variant))
    }
}

/// Returns the name that Go gives to an operating system.
fn normalize_os(os: &str) -> String {
    let os = os.to_lowercase();
    if os == "macos" {
        "darwin".to_owned()
    } else {
        os
    }
}

/// Returns the names that Go gives to an architecture and its variant; an implied variant is empty.
fn normalize_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_lowercase(), variant.to_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect("a platform")
    }

    #[test]
    fn keeps_the_spelling_of_the_request() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/arm64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("linux/armhf", "linux/arm"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/amd64/v2", "linux/amd64/v2"),
            ("macos/arm64", "darwin/arm64"),
        ] {
            assert_eq!(platform(text).to_string(), shown);
        }
    }

    #[test]
    fn refuses_other_shapes() {
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/amd64/v1/x",
            "linux/*",
            "linux/amd64\n",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn matches_strictly_after_normalizing() {
        assert!(platform("linux/arm64").matches(&Platform::new("linux", "arm64", "v8")));
        assert!(platform("linux/arm64/v8").matches(&Platform::new("linux", "arm64", "")));
        assert!(platform("linux/arm").matches(&Platform::new("linux", "arm", "v7")));
        assert!(platform("linux/amd64").matches(&Platform::new("linux", "amd64", "v1")));
        assert!(!platform("linux/amd64").matches(&Platform::new("linux", "amd64", "v2")));
        assert!(!platform("linux/arm").matches(&Platform::new("linux", "arm", "v6")));
        let mut featured = Platform::new("linux", "amd64", "");
        featured.os_features.push("sse9".to_owned());
        assert!(!platform("linux/amd64").matches(&featured));
    }
}
