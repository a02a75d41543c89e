//! Which sources a run trusts to provide ztocs.
//!
//! A ztoc does not prove what its layer contains, so a reused one is as trustworthy as the clients
//! that can write to the repository, layout or archive that it was taken from. A run trusts the one
//! that holds its image, and those that the plan names in `reuseFrom`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use soci_document::{Document, ImageReference};
use soci_oci::Reference;

/// Identifies a repository, layout or archive. All images in it have the same writers, so it is
/// trusted or not as a whole.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct SourceId(String);

impl SourceId {
    /// Returns the identity of the source that holds an image. Layouts and archives are identified
    /// by their absolute paths without links.
    pub(crate) fn of(reference: &Reference) -> Self {
        Self(match reference {
            Reference::Registry(registry) => {
                format!("{}/{}", registry.registry, registry.repository)
            }
            Reference::Layout { path, .. } => format!("oci:{}", absolute_path(path).display()),
            Reference::Archive { path, .. } => {
                format!("oci-archive:{}", absolute_path(path).display())
            }
            Reference::DockerArchive { path, .. } => {
                format!("docker-archive:{}", absolute_path(path).display())
            }
        })
    }

    /// Returns the identity as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the sources that a run trusts for an image: that of the image, then those of the plan.
pub(crate) fn trusted_sources(document: &Document) -> Vec<SourceId> {
    let named = document.plan.iter().flat_map(|plan| &plan.reuse_from);
    let named = named.map(ImageReference::reference);
    let references = std::iter::once(document.image.reference()).chain(named);
    let mut sources: Vec<SourceId> = Vec::new();
    for source in references.map(SourceId::of) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

/// Returns a reference that means the same in every working directory.
pub(crate) fn absolute_reference(reference: &Reference) -> Reference {
    let mut reference = reference.clone();
    match &mut reference {
        Reference::Registry(_) => {}
        Reference::Layout { path, .. }
        | Reference::Archive { path, .. }
        | Reference::DockerArchive { path, .. } => *path = absolute_path(path),
    }
    reference
}

/// Returns the absolute path without links, or with them if the file does not exist.
fn absolute_path(path: &Path) -> PathBuf {
    let resolved = fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    resolved.unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceId {
        SourceId::of(&text.parse().expect("a reference"))
    }

    #[test]
    fn tags_and_digests_of_a_repository_are_one_source() {
        let digest = soci_oci::Digest::of(b"");
        let named = source("r.example/app:v1");
        assert_eq!(named.as_str(), "r.example/app");
        assert_eq!(source("r.example/app:v0"), named);
        assert_eq!(source(&format!("r.example/app@{digest}")), named);
        assert_ne!(source("r.example/app2:v1"), named);
        assert_ne!(source("other.example/app:v1"), named);
        assert_eq!(source("app").as_str(), "docker.io/library/app");
    }

    #[test]
    fn paths_are_absolute_and_without_links() {
        let here = std::env::current_dir().expect("a working directory");
        let here = fs::canonicalize(here).expect("a working directory");
        let expected = format!("oci:{}", here.join("src").display());
        for text in ["oci:src", "oci:./src:v1", "oci:src/../src:v2"] {
            assert_eq!(source(text).as_str(), expected);
        }
        assert_ne!(source("oci-archive:src"), source("oci:src"));
        assert_ne!(source("docker-archive:src"), source("oci-archive:src"));
        let missing = source("oci:nowhere:v1");
        let nowhere = here.join("nowhere");
        assert_eq!(missing.as_str(), format!("oci:{}", nowhere.display()));
        let reference: Reference = "oci:nowhere:v1".parse().expect("a reference");
        let absolute = absolute_reference(&reference).to_string();
        assert_eq!(absolute, format!("oci:{}:v1", nowhere.display()));
    }
}
