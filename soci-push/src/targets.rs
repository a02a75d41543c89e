//! Where an image is pushed.

use soci_cli::Failure;
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

    /// Puts the destination in front of a failure, unless it is the repository of the image, whose
    /// reference stands there already, or a layout or archive, whose errors name its path.
    pub(crate) fn name_destination(&self, failure: Failure) -> Failure {
        let Some(source) = &self.source else {
            return failure;
        };
        match (&self.destination, source.reference()) {
            (Reference::Registry(to), Reference::Registry(from))
                if to.registry == from.registry =>
            {
                failure.context(format!("cannot push to the repository `{}`", to.repository))
            }
            (Reference::Registry(_), _) => {
                failure.context(format!("cannot push to `{}`", self.repository()))
            }
            _ => failure,
        }
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
