//! The ztoc: one streaming pass from a layer to its bytes, and back.
//!
//! A ztoc lets a reader start at any file of a compressed layer: it lists the files with their
//! offsets, and the points from which decompression can resume. This crate builds it
//! ([`LayerScanner`] and [`SpanHasher`], which may run on two threads, then [`Ztoc::assemble`]),
//! writes and reads its bytes ([`Ztoc::encode`], [`Ztoc::decode`]), says whether its readers would
//! accept it ([`Ztoc::reader_violations`]) and whether it may come from a layer
//! ([`Ztoc::check_provenance`]), and reads layers through it ([`extract`]).
//!
//! Bytes come in as slices of any length. The crate opens no file and no socket, starts no thread,
//! and prints nothing. Its input may be hostile: memory is bounded by what a ztoc can hold, and
//! arithmetic on untrusted numbers is checked.
//!
//! ```
//! use soci_ztoc::{Compression, build};
//!
//! let layer = [0; 1024]; // an empty tar
//! let ztoc = build(&layer, Compression::Uncompressed, 4 << 20, "example")?;
//! assert_eq!(ztoc.toc.len(), 0);
//! assert_eq!(soci_ztoc::Ztoc::decode(&ztoc.encode()?)?, ztoc);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod checkpoint;
mod compression;
mod decode;
mod encode;
mod entry;
mod error;
pub mod extract;
mod flat;
mod gzip;
mod limits;
mod provenance;
mod scanner;
mod span;
mod split_encoding;
mod tar;
mod tar_info;
mod tar_spans;
mod time;
mod violations;
mod ztoc;

pub use compression::Compression;
pub use decode::DecodeError;
pub use encode::EncodeError;
pub use entry::{EntryType, FileMetadata, XATTR_PREFIX, Xattr};
pub use error::{GzipHeaderFault, LimitKind, ScanError, TarFault};
pub use limits::Limits;
pub use provenance::{Provenance, ProvenanceError};
pub use scanner::{LayerScanner, ScannedLayer};
pub use span::{LayerDigests, SpanHasher, SpanStart};
pub use split_encoding::SplitEncoding;
pub use violations::ReaderViolation;
pub use ztoc::{AssembleError, BuildError, CompressionInfo, Span, SpanError, Ztoc, build};
