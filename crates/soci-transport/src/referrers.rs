//! Referrers, and how they are found in a layout, whose `index.json` lists them beside the images.

use soci_document::ReferrersVia;
use soci_oci::manifest::Root;
use soci_oci::{Descriptor, Digest};

/// The manifests of one type that refer to a subject.
#[derive(Clone, Debug)]
pub struct Referrers {
    /// Their descriptors, in the order of the place.
    pub descriptors: Vec<Descriptor>,
    /// How the place lists them.
    pub via: ReferrersVia,
}

impl Referrers {
    /// Says whether a manifest is among them.
    pub fn holds(&self, digest: Digest) -> bool {
        self.descriptors.iter().any(|found| found.digest == digest)
    }
}

/// Returns the entries of type `artifact_type` in the text of an `index.json` that refer to `subject`, as far as `read` gives
/// their bytes.
pub(crate) fn listed(
    index: &[u8],
    subject: Digest,
    artifact_type: &str,
    read: impl Fn(&Descriptor) -> Option<Vec<u8>>,
) -> Vec<Descriptor> {
    let Ok(Root::Index(index)) = Root::parse(index, "") else {
        return Vec::new();
    };
    let refers = |entry: &Descriptor| {
        entry.artifact_type.as_deref() == Some(artifact_type)
            && read(entry).and_then(|bytes| subject_of(&bytes, entry)) == Some(subject)
    };
    index.manifests.into_iter().filter(refers).collect()
}

/// Returns the subject of a manifest.
fn subject_of(bytes: &[u8], entry: &Descriptor) -> Option<Digest> {
    match Root::parse(bytes, &entry.media_type).ok()? {
        Root::Manifest(manifest) => manifest.subject.map(|subject| subject.digest),
        Root::Index(_) => None,
    }
}
