//! Where an image is pushed.

use soci_oci::{Digest, Reference};
use soci_transport::Source;

/// Where an image is pushed.
pub(crate) struct Targets {
    /// The repository, layout or archive that is written.
    pub(crate) destination: Reference,
    /// The digest of the image that was pulled.
    pub(crate) image: Digest,
    /// The tags of the converted image, or of the image if it is not converted.
    pub(crate) tags: Vec<String>,
    /// The tag that the image keeps, if an earlier run may have set it and the image is not copied.
    pub(crate) kept_tag: Option<String>,
    /// The tags from which the tag of the image is derived if an earlier run has set it.
    pub(crate) original_tags: Vec<String>,
    /// The source of the image, if it is not the destination; the image is then copied.
    pub(crate) source: Option<Source>,
}

impl Targets {
    /// Returns a tag of the destination as a full reference.
    pub(crate) fn full_tag(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository())
    }

    /// Returns the repository, layout or archive, without tag and digest.
    pub(crate) fn repository(&self) -> String {
        match &self.destination {
            Reference::Registry(reference) => {
                format!("{}/{}", reference.registry, reference.repository)
            }
            Reference::Layout { path, .. } => format!("oci:{}", path.display()),
            Reference::Archive { path, .. } => format!("oci-archive:{}", path.display()),
            Reference::DockerArchive { path, .. } => format!("docker-archive:{}", path.display()),
        }
    }
}
