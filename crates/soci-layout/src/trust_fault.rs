//! Why a store is not trusted.

use std::fmt;

/// Why a directory of a store is not trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TrustFault {
    /// It belongs to another user.
    Owner {
        /// The user whom it belongs to, by number.
        found: u32,
        /// The user who runs the tool, by number.
        expected: u32,
    },
    /// Every user can write to it, and can replace what others have written.
    WorldWritable,
}

impl fmt::Display for TrustFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { found, expected } => {
                write!(f, "belongs to user {found}, expected user {expected}")?;
                if *expected != 0 {
                    f.write_str(" or root")?;
                }
                Ok(())
            }
            Self::WorldWritable => f.write_str("can be written by every user"),
        }
    }
}
