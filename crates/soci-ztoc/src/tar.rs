//! A push parser for tar streams that reads headers and skips contents.
//!
//! It accepts and refuses what Go's `archive/tar` (of Go 1.26) accepts and refuses, since every
//! reader of a ztoc parses the same headers with that package again.

pub(crate) mod header;
pub(crate) mod number;
pub(crate) mod pax;
pub(crate) mod reader;
pub(crate) mod sparse;
pub(crate) mod toc;

/// Bytes in a tar block. Headers and contents start at multiples of it.
pub(crate) const BLOCK_SIZE: usize = 512;

/// The longest payload of an extended header or long name, and the longest sparse map, in bytes
/// (`maxSpecialFileSize` in Go's `archive/tar`).
pub(crate) const MAX_EXTENSION_SIZE: u64 = 1 << 20;

/// What [`ScanError`](crate::error::ScanError) calls the map of a sparse file.
pub(crate) const SPARSE_MAP_PART: &str = "the map of a sparse file";
