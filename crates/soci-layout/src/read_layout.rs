//! What layouts in directories, in tars and in archives of Docker have in common for readers.

use std::borrow::Cow;
use std::path::Path;

use soci_oci::Descriptor;
use soci_oci::manifest::MANIFEST_LIMIT;
use soci_oci::reference::Selector;

use crate::blob::Blob;
use crate::converted::is_converted;
use crate::error::LayoutError;
use crate::index_json::{Selected, select_image};

/// Images and their blobs in a directory or a tar.
pub trait ReadLayout: Send + Sync {
    /// Returns the directory or the tar.
    fn path(&self) -> &Path;

    /// Returns the bytes of `index.json`.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    fn read_index(&self) -> Result<Cow<'_, [u8]>, LayoutError>;

    /// Selects an image.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such image, or if the list of images cannot be read.
    fn select(&self, selector: &Selector) -> Result<Selected, LayoutError> {
        let read = |entry: &Descriptor| self.read_blob(entry, MANIFEST_LIMIT).ok();
        let is_converted = |entry: &Descriptor| is_converted(entry, read);
        select_image(&self.read_index()?, selector, self.path(), is_converted)
    }

    /// Returns whether a blob of the right size exists. Its content is checked when it is read.
    fn has_blob(&self, descriptor: &Descriptor) -> bool;

    /// Opens a blob for reading.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, or has another size.
    fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError>;

    /// Reads a blob of at most `limit` bytes and checks its digest.
    ///
    /// # Errors
    ///
    /// Returns an error if the blob does not exist, is longer than `limit`, or differs from its
    /// descriptor.
    fn read_blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, LayoutError> {
        self.open_blob(descriptor)?.read_verified(descriptor, limit)
    }
}
