//! The places where images lie, behind one interface: registries, layouts and archives.
//!
//! Callers are plain threads: what is asynchronous in the registry's client stays in here. Everything that is read whole is
//! verified; a blob that is read piece by piece is verified by whoever digests it in the same pass.

mod destination;
mod error;
mod pieces;
mod referrers;
mod session;
mod source;
mod stream;

pub use destination::{Destination, PutManifest};
pub use error::TransportError;
pub use pieces::Pieces;
pub use referrers::Referrers;
pub use session::Session;
pub use source::{Resolved, Source, parse_manifest};
pub use stream::BlobReader;
