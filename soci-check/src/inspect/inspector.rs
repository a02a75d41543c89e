//! What is shown of which images.

use soci_layout::Layout;
use soci_oci::Platform;
use soci_transport::Session;

/// What is shown of an image.
#[derive(Clone, Debug)]
pub(crate) enum View {
    /// The files of each ztoc.
    Files,
    /// The spans of each ztoc.
    Spans,
    /// The content of the file with this path.
    File(String),
}

/// Shows images, as the command line asks for.
pub(crate) struct Inspector {
    pub(crate) session: Session,
    pub(crate) store: Layout,
    /// The platform to choose of an image with several. Empty for the default.
    pub(crate) platforms: Vec<Platform>,
    /// The start of the digest of the only layer to show.
    pub(crate) layer: Option<String>,
    pub(crate) view: View,
}
