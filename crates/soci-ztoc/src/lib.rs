//! Builds, reads and uses ztocs, the index format of SOCI for one layer.
//!
//! A ztoc makes it possible to read one file of a compressed layer without the bytes before it. It
//! lists the files with their offsets, and the checkpoints from which decompression can resume.
//! This crate
//!
//! - builds a ztoc in one pass over a layer: [`LayerScanner`] and [`SpanHasher`], which may run on
//!   two threads, then [`PackedZtoc::assemble`], or [`build`] in one thread;
//! - writes and parses its bytes: [`PackedZtoc::encode`], [`Ztoc::encode`], [`Ztoc::decode`];
//! - checks whether the readers of ztocs accept it: [`Ztoc::visit_reader_violations`];
//! - checks whether it may have been built from a given layer, before its entries are decoded:
//!   [`ZtocHeader::check_provenance`];
//! - proves a ztoc against its layer: [`proof`];
//! - reads parts of a layer through it: [`extract`].
//!
//! The same inflater and tar reader give random access to archives of images, by [`TarIndexer`].
//!
//! Layers are passed in as slices of any length. The crate opens no file and no socket, starts no
//! thread and prints nothing. Input may be hostile: memory is bounded by what a ztoc can hold, and
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

mod build;
mod checkpoint;
mod compression;
mod content_format;
mod decode;
mod decode_error;
mod encode;
mod entry;
mod error;
/// Random access to a layer through its ztoc.
pub mod extract;
mod field;
mod flat;
mod flat_writer;
mod footprint;
mod gzip;
mod header;
mod limits;
mod packed;
mod packed_ztoc;
pub mod proof;
mod provenance;
mod scanner;
mod sha256;
mod span;
mod tar;
mod tar_index;
mod tar_spans;
mod tar_zinfo;
mod time;
mod violations;
mod ztoc;

pub use build::{BuildError, build};
pub use compression::Compression;
pub use content_format::ContentFormat;
pub use decode_error::DecodeError;
pub use encode::{EncodeError, EncodedZtoc};
pub use entry::{EntryType, FileMetadata, XATTR_PREFIX, Xattr};
pub use error::{GzipHeaderFault, LimitKind, ScanError, TarFault};
pub use gzip::index::{GzipIndex, GzipReader};
pub use header::ZtocHeader;
pub use limits::Limits;
pub use packed_ztoc::PackedZtoc;
pub use provenance::{Provenance, ProvenanceError};
pub use scanner::{LayerScanner, ScannedLayer};
pub use span::{LayerDigests, SpanHasher, SpanStart};
pub use tar_index::{Needs, TarIndex, TarIndexer};
pub use time::format_rfc3339;
pub use violations::ReaderViolation;
pub use ztoc::{AssembleError, CompressionInfo, Span, SpanError, Ztoc};
