//! Recognizes manifests that an earlier conversion has made, by their content.

use std::collections::{BTreeMap, BTreeSet};

use soci_document::{LayerEntry, ManifestEntry};
use soci_oci::media_type::SOCI_INDEX_V2;
use soci_oci::soci::{INDEX_DIGEST, LAYER_DIGEST};
use soci_oci::{Digest, Manifest};

/// Returns the digest of the SOCI index that the annotations of an image manifest name.
pub(crate) fn find_link(annotations: &BTreeMap<String, String>) -> Option<Digest> {
    annotations.get(INDEX_DIGEST)?.parse().ok()
}

/// Returns whether an entry is a SOCI index of version 2, by its own content or by its descriptor.
pub(crate) fn is_soci_index_v2(entry: &ManifestEntry) -> bool {
    let config = entry.config.as_ref();
    config.is_some_and(|config| config.media_type == SOCI_INDEX_V2)
        || entry.descriptor.artifact_type.as_deref() == Some(SOCI_INDEX_V2)
}

/// Enters into the layers of an image whether a SOCI index has a ztoc for them, if it has one for
/// any of them. Returns whether it has.
pub(crate) fn mark_covered_layers(soci_index: &Manifest, image: &mut ManifestEntry) -> bool {
    let ztocs = soci_index.layers().iter();
    let covered: BTreeSet<Digest> = ztocs
        .filter_map(|ztoc| ztoc.annotations.get(LAYER_DIGEST)?.parse().ok())
        .collect();
    let is_covered = |layer: &LayerEntry| covered.contains(&layer.descriptor.digest);
    let is_any = image.layers.iter().any(is_covered);
    if is_any {
        for layer in &mut image.layers {
            layer.covered = Some(is_covered(layer));
        }
    }
    is_any
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_oci::Descriptor;
    use soci_oci::media_type::OCI_MANIFEST;
    use soci_oci::soci::{soci_index_v2, ztoc_descriptor};

    const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    fn layer(name: &str, size: u64) -> Descriptor {
        Descriptor::new(GZIP, Digest::of(name.as_bytes()), size)
    }

    fn image(layers: &[Descriptor]) -> ManifestEntry {
        let layers = layers.iter().cloned().map(LayerEntry::new);
        ManifestEntry {
            layers: layers.collect(),
            ..ManifestEntry::new(Descriptor::of(OCI_MANIFEST, b"image"))
        }
    }

    fn soci_index(layers: &[&Descriptor]) -> Manifest {
        let ztoc = |layer: &&Descriptor| ztoc_descriptor(layer, layer.digest, 1, 1);
        let ztocs: Vec<Descriptor> = layers.iter().map(ztoc).collect();
        soci_index_v2(&ztocs, "tool")
    }

    /// Returns whether each layer is covered, and whether any is.
    fn mark(index: &Manifest, layers: &[Descriptor]) -> (Vec<Option<bool>>, bool) {
        let mut image = image(layers);
        let is_any = mark_covered_layers(index, &mut image);
        (
            image.layers.iter().map(|layer| layer.covered).collect(),
            is_any,
        )
    }

    #[test]
    fn a_soci_index_of_the_base_image_does_not_cover_the_layers_above() {
        let (base, above) = (layer("base", 100), layer("above", 50));
        let index = soci_index(&[&base]);
        let marked = mark(&index, &[base, above]);
        assert_eq!(marked, (vec![Some(true), Some(false)], true));
    }

    #[test]
    fn a_soci_index_of_another_image_covers_nothing() {
        let index = soci_index(&[&layer("other", 100)]);
        let marked = mark(&index, &[layer("base", 100)]);
        assert_eq!(marked, (vec![None], false));
        assert_eq!(mark(&index, &[]), (Vec::new(), false));
    }
}
