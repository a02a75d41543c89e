//! What every check of a run uses.

use std::num::NonZeroUsize;

use soci_cli::{Failure, Permits, Progress};
use soci_layout::Layout;
use soci_oci::{Descriptor, Platform};
use soci_transport::{MemoryBudget, Session, Source};

use crate::findings::Findings;
use crate::image::{Image, ImageRoot, Selection};
use crate::place::{Fetched, Place};
use crate::rules::chain::MANIFEST_DAMAGED;
use crate::ztocs::Resources;

/// Whether layers are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Depth {
    /// No layer is read.
    Fast,
    /// Each ztoc is proved against its layer.
    Full,
}

/// Checks images, as the command line asks for.
pub(crate) struct Checker {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    /// The platforms to check. An empty list stands for all platforms of the image, or of its plan.
    pub(crate) platforms: Vec<Platform>,
    pub(crate) depth: Depth,
    /// How many threads check one image.
    pub(crate) jobs: NonZeroUsize,
    /// Bounds how many ztocs of all images are checked, and layers read, at a time.
    pub(crate) reading: Permits,
    /// Limits the memory of the chunks of all layers that are being read.
    pub(crate) chunk_memory: MemoryBudget,
    /// Limits the memory of the ztocs of all images.
    pub(crate) ztoc_memory: MemoryBudget,
    /// Whether the user reads the report beside the messages.
    pub(crate) shows_summaries: bool,
}

impl Checker {
    /// Returns what the check of an image uses. `layers` is the source of its layers.
    pub(crate) fn resources<'a>(
        &'a self,
        layers: Option<&'a Source>,
        name: &'a str,
        progress: &'a Progress,
    ) -> Resources<'a> {
        Resources {
            store: &self.store,
            source: layers.filter(|_| self.depth == Depth::Full),
            chunk_memory: &self.chunk_memory,
            ztoc_memory: &self.ztoc_memory,
            reading: &self.reading,
            progress,
            name,
            jobs: self.jobs,
        }
    }

    /// Returns the selection of the platforms that the user asks for.
    pub(crate) fn select_platforms(&self) -> Selection {
        Selection {
            platforms: self.platforms.clone(),
            ..Selection::default()
        }
    }
}

/// Reads the image whose manifest or index is `root`. If it cannot be read, there is a finding and
/// no image.
pub(crate) fn read_image(
    place: &Place,
    root: &Descriptor,
    selection: &Selection,
    findings: &mut Findings,
) -> Result<Option<Image>, Failure> {
    let digest = root.digest;
    let fault = match place.read_manifest(root)? {
        Fetched::Found((content, _)) => {
            let descriptor = root.clone();
            let root = ImageRoot {
                descriptor,
                content,
            };
            return Image::read(place, selection, root, findings).map(Some);
        }
        Fetched::Missing => "does not exist".to_owned(),
        Fetched::Damaged(how) => format!("is damaged: {how}"),
    };
    findings.add(MANIFEST_DAMAGED.found(format_args!("image `{digest}` {fault}")));
    Ok(None)
}
