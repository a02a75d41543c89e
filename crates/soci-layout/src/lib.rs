//! OCI image layouts (OCI image-spec, `image-layout.md`), in a folder and in a tar.
//!
//! The same layout is the tools' store and one of the places where images lie. Content is verified on the way in and on
//! the way out; what is written appears whole or not at all, and is durable before anything names it. Blobs are written
//! without locks, since their names are their content; only `index.json` is changed under a lock.
//!
//! Locks are `flock`. On a file system without it all works, but of entries made at the same time one may be lost.

mod archive;
mod blob;
mod error;
mod index;
mod layout;
mod temporary;

pub use archive::{Archive, ArchiveWriter};
pub use blob::{Blob, BlobWriter};
pub use error::{Action, LayoutError};
pub use index::{REF_NAME, Select, select};
pub use layout::Layout;
pub use temporary::remove_unfinished;
