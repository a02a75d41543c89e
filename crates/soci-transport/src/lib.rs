//! Images in registries, OCI image layouts and layout archives, behind one interface.
//!
//! A [`Source`] reads the image that a reference names, a [`Destination`] writes images. Both
//! delegate to a backend: one file for registries, one that reads all kinds of layouts and
//! archives, and one for each kind that is written. A new kind of reference needs one more file
//! that implements [`ReadImage`] and [`WriteImage`].
//!
//! Callers are plain threads. The registry client is asynchronous, and its runtime stays inside
//! this crate. Manifests and blobs that are returned as bytes have been verified against their
//! digest; a [`BlobReader`] checks only the length, because its callers compute the digest while
//! they read.

mod archive;
mod archive_cache;
mod backend;
mod blob_reader;
mod destination;
mod error;
mod index_json;
mod layout;
mod layout_image;
mod memory_budget;
mod memory_image;
mod registry;
mod session;
mod source;

pub use backend::{ByteCounter, PutOutcome, ReadImage, StoredName, WriteImage};
pub use blob_reader::{BlobReader, ReadChunks};
pub use destination::Destination;
pub use error::TransportError;
pub use memory_budget::{MemoryBudget, PooledBuffer, Reservation};
pub use memory_image::MemoryImage;
pub use session::Session;
pub use soci_registry::{BlobPresence, Referrers, is_ecr_private};
pub use source::{Resolved, Source, parse_manifest};
