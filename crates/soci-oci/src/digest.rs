//! Digests: an algorithm and the hash of some content in lower-case hexadecimal digits.

mod hasher;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use hasher::Hasher;

/// The digest of some content, by an algorithm that the OCI image-spec registers (`descriptor.md`,
/// "Digests"). All content of this project has SHA-256 digests; images may have others.
///
/// Its text is safe to use in file names and URLs.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Digest {
    /// `sha256:` and 64 hexadecimal digits.
    Sha256([u8; 32]),
    /// `sha512:` and 128 hexadecimal digits.
    Sha512([u8; 64]),
}

/// An algorithm for digests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// Why a text is not a digest.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DigestError {
    /// The algorithm is known, but this project does not support it.
    #[error("digest `{text}`: algorithm is not supported, expected sha256 or sha512")]
    Unsupported {
        /// The text, escaped and shortened.
        text: String,
    },
    /// The text is not a digest.
    #[error(
        "digest `{text}`: expected `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits"
    )]
    Malformed {
        /// The text, escaped and shortened.
        text: String,
    },
}

impl Algorithm {
    /// Returns the name, as it stands in digests and in the paths of layouts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the digest of `content` by this algorithm.
    pub fn digest(self, content: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(content);
        hasher.finish()
    }
}

impl Digest {
    /// Returns the SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Algorithm::Sha256.digest(content)
    }

    /// Returns the SHA-256 digest with the 32 bytes `hash`.
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self::Sha256(hash)
    }

    /// Returns the algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Returns the digest of `content` by the same algorithm.
    #[must_use]
    pub fn same_algorithm(&self, content: &[u8]) -> Self {
        self.algorithm().digest(content)
    }

    /// Returns the hexadecimal digits, 64 or 128 of them: the file name of the blob in an OCI image
    /// layout.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hash = self.hash();
        let mut text = String::with_capacity(2 * hash.len());
        for byte in hash {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        text
    }

    /// Returns the first twelve hexadecimal digits, for messages.
    pub fn short(&self) -> String {
        let mut text = self.hex();
        text.truncate(12);
        text
    }

    fn hash(&self) -> &[u8] {
        match self {
            Self::Sha256(hash) => hash,
            Self::Sha512(hash) => hash,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm().name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.escape_debug().take(100).collect::<String>();
        let malformed = || DigestError::Malformed { text: shown() };
        match text.split_once(':') {
            Some(("sha256", hex)) => parse_hash(hex).map(Self::Sha256).ok_or_else(malformed),
            Some(("sha512", hex)) => parse_hash(hex).map(Self::Sha512).ok_or_else(malformed),
            Some(("sha384" | "blake3", _)) => Err(DigestError::Unsupported { text: shown() }),
            _ => Err(malformed()),
        }
    }
}

/// Parses a hash of `N` bytes.
fn parse_hash<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let digits = hex.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut hash = [0; N];
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = parse_nibble(pair[0])? << 4 | parse_nibble(pair[1])?;
    }
    Some(hash)
}

/// Returns the value of a lower-case hexadecimal digit.
const fn parse_nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn displays_the_text_that_it_parses() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>().expect("a digest"), Digest::of(b""));
    }

    #[test]
    fn displays_and_compares_sha_512() {
        // RFC 6234, section 8.5: the SHA-512 of `abc`.
        let text = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let digest: Digest = text.parse().expect("a digest");
        assert_eq!(digest.to_string(), text);
        assert_eq!(digest.same_algorithm(b"abc"), digest);
        assert_ne!(digest, Digest::of(b"abc"));
        assert_eq!(digest.hex().len(), 128);
        let short = format!("sha512:{}", &EMPTY[7..]);
        assert!(short.parse::<Digest>().is_err());
        assert!(text.replace("sha512", "sha256").parse::<Digest>().is_err());
    }

    #[test]
    fn rejects_malformed_digests() {
        let long = format!("{EMPTY}0");
        for text in [
            "",
            ":",
            "sha256:",
            "sha256:../../x",
            &EMPTY[..70],
            &long,
            &EMPTY.to_uppercase(),
            "md5:00",
        ] {
            assert!(
                matches!(text.parse::<Digest>(), Err(DigestError::Malformed { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            "sha384:00".parse::<Digest>(),
            Err(DigestError::Unsupported { .. })
        ));
    }
}
