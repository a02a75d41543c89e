//! What the work on every image of a run shares.

use std::num::NonZeroUsize;

use soci_cli::{Failure, InWork, Permits};
use soci_layout::Layout;
use soci_oci::manifest::MANIFEST_LIMIT;
use soci_oci::{Descriptor, Digest};
use soci_transport::{MemoryBudget, Session};

use crate::large_tables::LargeTables;
use crate::layer_key::LayerKey;

/// The options and resources of one run of `soci-index`.
pub(crate) struct Context {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    /// How many layers of one image are read at a time.
    pub(crate) jobs: NonZeroUsize,
    /// Bounds how many layers of all images are read at a time.
    pub(crate) reading: Permits,
    /// The layers that are read, so that images that share one read it once.
    pub(crate) layers_in_work: InWork<LayerKey>,
    /// The manifests of the images in work, so that images that are the same wait for each other
    /// instead of searching for the same ztocs.
    pub(crate) images_in_work: InWork<Digest>,
    /// Limits the memory of the chunks of all layers that are being read.
    pub(crate) memory: MemoryBudget,
    /// Limits the memory of the ztocs that are being checked before they are reused.
    pub(crate) check_memory: MemoryBudget,
    /// The largest ztoc to build, in bytes.
    pub(crate) max_ztoc_size: u64,
    /// Lets one layer at a time have a large table of files.
    pub(crate) large_tables: LargeTables,
    /// The build tool identifier to record in ztocs and SOCI indexes.
    pub(crate) build_tool_identifier: String,
    pub(crate) reuse: Reuse,
    pub(crate) strictness: Strictness,
}

/// Whether ztocs that were built before are reused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reuse {
    /// Ztocs are reused from the store and from SOCI indexes, if they are found there.
    IfFound,
    /// Ztocs that were built with this store are reused. Those that SOCI indexes offer are compared
    /// with what is built from the layer.
    IfProved,
    /// Every ztoc is built anew.
    Never,
}

/// Whether a layer that is not what its media type says, or exceeds a limit, fails its image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Strictness {
    /// The layer is skipped, and the others are indexed.
    Lenient,
    /// The image fails.
    Strict,
}

impl Context {
    /// Reads a manifest that `soci-pull` has stored.
    pub(crate) fn read_manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Failure> {
        self.store
            .read_blob(descriptor, MANIFEST_LIMIT)
            .map_err(|error| Failure::from(error).hint("pull the image again into this store"))
    }
}
