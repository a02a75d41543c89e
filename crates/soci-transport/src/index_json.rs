//! What layouts and archives have in common: the meaning of `index.json`.

use std::path::Path;

use soci_layout::{LayoutError, ReadLayout, Selected};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::OCI_INDEX;
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest};

use crate::error::TransportError;

/// Returns the descriptor and the bytes of the image that was selected in an `index.json`.
pub(crate) fn read_selected(
    selected: Selected,
    read_manifest: impl FnOnce(&Descriptor) -> Result<Option<Vec<u8>>, TransportError>,
) -> Result<(Descriptor, Vec<u8>), TransportError> {
    match selected {
        Selected::Index(bytes) => Ok((Descriptor::of(OCI_INDEX, &bytes), bytes)),
        Selected::Manifest(entry) => match read_manifest(&entry)? {
            Some(bytes) => Ok((*entry, bytes)),
            None => Err(TransportError::NotFound {
                what: format!("manifest `{}`", entry.digest),
            }),
        },
    }
}

/// Returns the digest of the image that an `index.json` lists under the name `tag`, or `None` if it
/// lists none.
pub(crate) fn resolve_tag(
    index: &[u8],
    tag: &str,
    path: &Path,
) -> Result<Option<Digest>, TransportError> {
    match soci_layout::select_image(index, &Selector::Name(tag.to_owned()), path, |_| false) {
        Ok(Selected::Manifest(entry)) => Ok(Some(entry.digest)),
        Ok(Selected::Index(bytes)) => Ok(Some(Digest::of(&bytes))),
        Err(LayoutError::NoSuchImage { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the entries of type `artifact_type` in the `index.json` of a layout whose subject is
/// `subject`. An entry whose manifest cannot be read is left out.
pub(crate) fn list_referrers(
    layout: &impl ReadLayout,
    subject: Digest,
    artifact_type: &str,
) -> Result<Vec<Descriptor>, LayoutError> {
    let Ok(Root::Index(index)) = Root::parse(&layout.read_index()?, "") else {
        return Ok(Vec::new());
    };
    let read = |entry: &Descriptor| layout.read_blob(entry, MANIFEST_LIMIT).ok();
    let refers = |entry: &Descriptor| {
        entry.artifact_type.as_deref() == Some(artifact_type)
            && read(entry).and_then(|bytes| parse_subject(&bytes, entry)) == Some(subject)
    };
    Ok(index.manifests.into_iter().filter(refers).collect())
}

/// Returns the digest in the field `subject` of the manifest `entry`, if there is one.
fn parse_subject(bytes: &[u8], entry: &Descriptor) -> Option<Digest> {
    match Root::parse(bytes, &entry.media_type).ok()? {
        Root::Manifest(manifest) => manifest.subject.map(|subject| subject.digest),
        Root::Index(_) => None,
    }
}
