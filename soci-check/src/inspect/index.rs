//! Finds the SOCI index of an image manifest, as readers do.

use soci_cli::Failure;
use soci_document::{Classify as _, Exit, IndexVersion};
use soci_oci::Descriptor;
use soci_oci::manifest::Root;
use soci_oci::soci::CONVERTED_TAG_SUFFIX;
use soci_transport::Source;

use crate::check::named::find_tag;
use crate::findings::Findings;
use crate::image::{Image, ImageManifest, Selection};
use crate::links::{Link, find_link};
use crate::place::{Fetched, Place};
use crate::soci_index::{LayerBlob, SociIndex};

/// Returns the ztocs of an image manifest: those of its SOCI index of version 2, else of version 1,
/// else of the converted image under the tag with `-soci`.
pub(super) fn find_ztocs(
    place: &Place,
    source: &Source,
    image: &Image,
    manifest: &ImageManifest,
) -> Result<Vec<LayerBlob>, Failure> {
    if let Some(ztocs) = find_own(place, image, manifest)? {
        return Ok(ztocs);
    }
    if let Some(ztocs) = find_converted(place, source, image, manifest)? {
        return Ok(ztocs);
    }
    let digest = manifest.descriptor.digest;
    let message = format!("manifest `{digest}` has no SOCI index with ztocs");
    let hint = "make one: soci-pull REF | soci-plan | soci-index | soci-push";
    Err(Failure::message(Exit::NotFound, message).hint(hint))
}

/// Returns the ztocs of the SOCI index that the manifest names, or else of one that names it.
fn find_own(
    place: &Place,
    image: &Image,
    manifest: &ImageManifest,
) -> Result<Option<Vec<LayerBlob>>, Failure> {
    let version_2 = match find_link(image, manifest, &mut Findings::default()) {
        Link::None => None,
        Link::Listed(entry) => Some(entry.clone()),
        Link::Unlisted(digest) => match place.find_manifest(digest)? {
            Fetched::Found(descriptor) => Some(descriptor),
            Fetched::Missing | Fetched::Damaged(_) => None,
        },
    };
    if let Some(descriptor) = version_2 {
        let ztocs = read_ztocs(place, IndexVersion::V2, &descriptor, manifest)?;
        if !ztocs.is_empty() {
            return Ok(Some(ztocs));
        }
    }
    let version_1 = place.list_version_1(manifest.descriptor.digest)?;
    let Some(descriptor) = version_1.first() else {
        return Ok(None);
    };
    let ztocs = read_ztocs(place, IndexVersion::V1, descriptor, manifest)?;
    Ok((!ztocs.is_empty()).then_some(ztocs))
}

/// Returns the ztocs of the same layers in the converted image under the tag with `-soci`.
fn find_converted(
    place: &Place,
    source: &Source,
    image: &Image,
    manifest: &ImageManifest,
) -> Result<Option<Vec<LayerBlob>>, Failure> {
    let Some(tag) = find_tag(source.reference(), &image.root) else {
        return Ok(None);
    };
    let tag = format!("{tag}{CONVERTED_TAG_SUFFIX}");
    let resolved = match source.with_tag(&tag).resolve() {
        Ok(resolved) => resolved,
        Err(error) if matches!(error.exit(), Exit::NotFound | Exit::BadData) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let selection = Selection::default();
    let converted = Image::read(place, &selection, resolved.into(), &mut Findings::default())?;
    let is_same = |other: &&ImageManifest| other.platform == manifest.platform;
    match converted.manifests.iter().find(is_same) {
        Some(other) if converted.is_converted() => find_own(place, &converted, other),
        _ => Ok(None),
    }
}

/// Returns the ztocs that a SOCI index lists. What is wrong with it is for the check to find.
fn read_ztocs(
    place: &Place,
    version: IndexVersion,
    descriptor: &Descriptor,
    image: &ImageManifest,
) -> Result<Vec<LayerBlob>, Failure> {
    let Fetched::Found((Root::Manifest(manifest), bytes)) = place.read_manifest(descriptor)? else {
        return Ok(Vec::new());
    };
    let index = SociIndex {
        version,
        digest: descriptor.digest,
        manifest: &manifest,
        bytes: &bytes,
        image,
    };
    Ok(index.check(&mut Findings::default()).ztocs)
}
