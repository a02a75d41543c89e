//! How a layer is compressed.

use std::fmt;

/// The compression of a layer. The caller takes it from the layer's media type; the bytes are not
/// inspected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// gzip, with one or more members.
    Gzip,
    /// No compression: a plain tar.
    Uncompressed,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Uncompressed => "uncompressed",
        })
    }
}

impl Compression {
    /// Returns the number that a ztoc stores (`CompressionAlgorithm` in the reference's schema).
    pub(crate) const fn to_code(self) -> i8 {
        match self {
            Self::Gzip => 1,
            Self::Uncompressed => 2,
        }
    }

    /// Returns the compression that a ztoc stores as `code`.
    pub(crate) const fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Gzip),
            2 => Some(Self::Uncompressed),
            _ => None,
        }
    }
}
