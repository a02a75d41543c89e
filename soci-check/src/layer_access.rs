//! Opens the layers of an image.

use soci_cli::ImageProgress;
use soci_layout::{Layout, LayoutError};
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
        let stored = self
            .store
            .has_blob(layer)
            .then(|| self.store.open_blob(layer));
        let reader = match stored {
            // `soci-prune` may have removed the layer meanwhile.
            None | Some(Err(LayoutError::NoSuchBlob { .. })) => self.source.open_blob(layer)?,
            Some(blob) => BlobReader::from_file(blob?),
        };
        Ok(reader.with_budget(self.memory))
    }
}
