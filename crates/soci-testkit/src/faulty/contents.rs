//! The content of a registry, for comparison with that of another one.

use std::collections::{BTreeMap, BTreeSet};

use super::{server::Faulty, storage::descriptors};

/// The digests of all blobs and manifests of a registry, and the tags of its repository `app`.
#[derive(Debug, Eq, PartialEq)]
pub struct Contents {
    /// The digests of all blobs and manifests.
    pub digests: BTreeSet<String>,
    /// The tags of `app`, with the digest that each names.
    pub tags: BTreeMap<String, String>,
}

impl Contents {
    /// Lists the contents of a registry, and asserts that it holds everything that the manifests of
    /// `app` name.
    #[track_caller]
    pub fn of(registry: &Faulty) -> Self {
        let digests = registry.digests();
        for digest in &digests {
            let Some(manifest) = registry.manifest("app", digest) else {
                continue;
            };
            let manifest = manifest.json();
            for descriptor in descriptors(&manifest) {
                let named = descriptor["digest"].as_str().expect("a digest");
                assert!(digests.contains(named), "{digest} lacks {named}");
            }
        }
        Self {
            digests,
            tags: registry.tags("app"),
        }
    }
}
