//! Platforms such as `linux/arm64/v8`: parsing, normalization and matching.
//!
//! The rules are those of containerd's `platforms` package, which the SOCI snapshotter uses: the
//! same request selects the same manifest.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::descriptor::null_as_default;

/// The platform of an image (OCI image-spec, `image-index.md`, `platform`), with its fields in the
/// order in which Go writes them.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Platform {
    /// The CPU architecture, a value of `GOARCH`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system, a value of `GOOS`.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Required features of the operating system.
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The variant of the CPU, such as `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// The error for a text that is not a platform.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected [os/]architecture[/variant], such as linux/amd64, arm64 or linux/arm/v6")]
pub struct PlatformError;

impl Platform {
    /// Returns a platform. An empty `variant` means none.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
        }
    }

    /// Returns the platform in its normal form: lower case, without aliases such as `x86_64`,
    /// without the default variant of the architecture, and with sorted features.
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

    /// Returns whether an image for `candidate` satisfies a request for this platform.
    ///
    /// The normal forms of operating system, architecture and variant must be equal: there is no
    /// fallback, such as from `arm/v7` to `arm/v6`. A candidate with required features matches only
    /// a request that lists them.
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

    /// Returns whether this is the placeholder `unknown/unknown` of attestation manifests.
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

    /// Parses a platform as containerd and Docker do.
    ///
    /// An architecture alone is one of Linux, also with a variant (`arm/v7`). An operating system
    /// alone is that of this machine's architecture.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_valid = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(is_valid) {
            return Err(PlatformError);
        }
        let (os, architecture, variant) = match parts[..] {
            [os] if is_known_os(os) => (os, host_architecture(), None),
            [architecture] if is_known_architecture(architecture) => ("linux", architecture, None),
            [architecture, variant]
                if !is_known_os(architecture) && is_known_architecture(architecture) =>
            {
                ("linux", architecture, Some(variant))
            }
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError),
        };
        let has_variant = variant.is_some();
        let (architecture, mut variant) =
            normalize_architecture(architecture, variant.unwrap_or_default());
        match (has_variant, architecture.as_str()) {
            (false, "arm") if variant == "v7" => variant.clear(),
            (true, "arm64") if variant.is_empty() => "v8".clone_into(&mut variant),
            _ => {}
        }
        Ok(Self::new(&normalize_os(os), &architecture, &variant))
    }
}

/// The operating systems that can stand alone (containerd `platforms`, `isKnownOS`).
const KNOWN_OS: [&str; 16] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];

/// The architectures that can stand alone (containerd `platforms`, `isKnownArch`).
const KNOWN_ARCHITECTURES: [&str; 23] = [
    "386",
    "amd64",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// Returns the architecture of this machine, as a value that `normalize_architecture` knows.
fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86" => "386",
        "powerpc" => "ppc",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    }
}

fn is_known_os(os: &str) -> bool {
    KNOWN_OS.contains(&normalize_os(os).as_str())
}

fn is_known_architecture(architecture: &str) -> bool {
    let (architecture, _) = normalize_architecture(architecture, "");
    KNOWN_ARCHITECTURES.contains(&architecture.as_str())
}

/// Returns the `GOOS` value of an operating system.
fn normalize_os(os: &str) -> String {
    let os = os.to_lowercase();
    if os == "macos" {
        "darwin".to_owned()
    } else {
        os
    }
}

/// Returns the `GOARCH` value of an architecture, and its variant, which is empty if it is the
/// default.
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
    fn parses_aliases_and_keeps_explicit_variants() {
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
            ("amd64", "linux/amd64"),
            ("AMD64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("arm64", "linux/arm64"),
            ("aarch64", "linux/arm64"),
            ("arm64/v8", "linux/arm64/v8"),
            ("arm", "linux/arm"),
            ("arm/v7", "linux/arm/v7"),
            ("arm/6", "linux/arm/v6"),
            ("armhf", "linux/arm"),
            ("i386", "linux/386"),
            ("s390x", "linux/s390x"),
            ("windows/amd64", "windows/amd64"),
        ] {
            assert_eq!(platform(text).to_string(), shown);
        }
    }

    #[test]
    fn an_operating_system_alone_has_the_architecture_of_this_machine() {
        let here = platform("linux");
        assert_eq!(here.os, "linux");
        assert_eq!(here, here.normalized());
        assert!(is_known_architecture(&here.architecture), "{here}");
    }

    #[test]
    fn rejects_malformed_platforms() {
        for text in [
            "",
            "apples",
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
    fn matches_equal_normal_forms_only() {
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
