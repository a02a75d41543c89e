//! OCI image layouts (OCI image-spec, `image-layout.md`), in directories and in tars.
//!
//! The tools' store is a layout, and images can be read from and written to layouts and archives.
//! The archives of `docker save` can be read, too.
//! Content is verified when it is written and when it is read. A file appears with all of its
//! content or not at all, and it is durable before any other file names it. Blobs are written
//! without locks, because their names follow from their content; only `index.json` is changed under
//! a lock.
//!
//! The store is a layout with a marker. `soci-prune` removes files from it that no tool has used
//! for long; the modification time of a file is that of its last use.
//!
//! The locks are those of `flock(2)`. On a file system without them, the tools work as well, but if
//! two processes add a manifest at the same time, one of the two entries may be lost.

mod archive;
mod archive_writer;
mod beneath;
mod blob;
mod converted;
mod docker_archive;
mod error;
mod first_bytes;
mod folder;
mod index_file;
mod index_json;
mod last_use;
mod layout;
mod lock;
mod marker;
mod private_file;
mod prunable_store;
mod read_layout;
mod regular_file;
mod store;
mod store_use;
mod stored_file;
mod tar_file;
mod temporary;
mod trust;
mod trust_fault;
mod write;

pub use archive::Archive;
pub use archive_writer::{ArchiveBlobWriter, ArchiveWriter};
pub use blob::Blob;
pub use docker_archive::DockerArchive;
pub use error::{Action, LayoutError, LinkFault};
pub use index_json::{REF_NAME, Selected, select_image};
pub use layout::Layout;
pub use prunable_store::{PrunableStore, RemoveWhen};
pub use read_layout::ReadLayout;
pub use store_use::ZTOC_CACHE;
pub use stored_file::{Removal, StoreFile, StoredFile};
pub use temporary::remove_unfinished;
pub use trust::StoreTrust;
pub use trust_fault::TrustFault;
pub use write::{BlobWriter, NewBlobWriter};
