//! A push parser for tar streams that finds headers and skips contents.
//!
//! It reads what Go's `archive/tar` (of Go 1.26) reads and refuses what that refuses, since every
//! reader of a ztoc parses the same headers with it again.

pub(crate) mod header;
pub(crate) mod number;
pub(crate) mod pax;
pub(crate) mod reader;
pub(crate) mod sparse;
pub(crate) mod toc;

/// Bytes in a tar block; headers and contents start at multiples of it.
pub(crate) const BLOCK: usize = 512;

/// The longest payload of an extended header or long name, in bytes, and the longest sparse map.
pub(crate) const SPECIAL_LIMIT: u64 = 1 << 20;
