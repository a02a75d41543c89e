//! Opens the layers of an image.

use soci_cli::ImageProgress;
use soci_layout::Layout;
use soci_oci::Descriptor;
use soci_transport::{BlobReader, MemoryBudget, Source, TransportError};

/// Where the layers of an image are read from.
pub(crate) struct LayerAccess<'a> {
    /// The store, in which a layer may lie.
    pub(crate) store: &'a Layout,
    /// The source of the image.
    pub(crate) source: &'a Source,
    /// Limits the memory of the chunks of all layers that are being read.
    pub(crate) memory: &'a MemoryBudget,
    pub(crate) progress: ImageProgress,
}

impl LayerAccess<'_> {
    /// Opens a layer in the store, or else in the source of the image.
    pub(crate) fn open_layer(&self, layer: &Descriptor) -> Result<BlobReader, TransportError> {
        let reader = match BlobReader::from_store(self.store, layer)? {
            Some(stored) => stored,
            None => self.source.open_blob(layer)?,
        };
        Ok(reader.with_budget(self.memory))
    }
}
