//! Writes the converted image, whose image index lists the SOCI indexes of version 2.

use std::collections::{BTreeMap, BTreeSet};

use soci_cli::Failure;
use soci_document::Document;
use soci_oci::convert::{Converted, Indexed, Source, convert};
use soci_oci::manifest::Root;
use soci_oci::{Descriptor, Digest, Index, Manifest};
use soci_transport::parse_manifest;

use crate::context::Context;

/// Converts the image and writes the manifests that differ from those of the image. Returns the
/// descriptor of the converted image index.
pub(crate) fn convert_image(
    context: &Context,
    document: &Document,
    manifests: &BTreeMap<Digest, Manifest>,
    indexed: &[Indexed],
) -> Result<Descriptor, Failure> {
    let root = parse_manifest(&context.read_manifest(&document.root)?, &document.root)?;
    // A single manifest names no platform, but its entry in the converted image index must.
    let platform = match (&root, document.manifests.as_slice()) {
        (Root::Manifest(_), [entry]) => entry.platform.clone(),
        _ => None,
    };
    let nested = read_nested_indexes(context, document)?;
    let missing: BTreeSet<Digest> = document
        .manifests
        .iter()
        .filter(|entry| entry.missing)
        .map(|entry| entry.descriptor.digest)
        .collect();
    let source = Source {
        root: &document.root,
        content: root,
        platform,
        manifests,
        indexes: &nested,
        missing: &missing,
    };
    let Converted {
        root,
        bytes,
        manifests,
    } = convert(source, indexed);
    for (_, manifest) in &manifests {
        context.store.write_blob(manifest)?;
    }
    context.store.write_blob(&bytes)?;
    tracing::info!(image = document.image.as_str(), digest = %root.digest, "converted");
    Ok(root)
}

/// Reads the nested image indexes that `soci-pull` has stored.
fn read_nested_indexes(
    context: &Context,
    document: &Document,
) -> Result<BTreeMap<Digest, Index>, Failure> {
    let mut indexes = BTreeMap::new();
    for descriptor in &document.nested_indexes {
        let bytes = context.read_manifest(descriptor)?;
        if let Root::Index(index) = parse_manifest(&bytes, descriptor)? {
            indexes.insert(descriptor.digest, *index);
        }
    }
    Ok(indexes)
}
