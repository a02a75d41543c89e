//! Recognizes manifests that an earlier conversion has made, by their content.

use std::collections::BTreeMap;

use soci_document::ManifestEntry;
use soci_oci::layer::{LayerCompression, is_layer};
use soci_oci::media_type::SOCI_INDEX_V2;
use soci_oci::soci::{INDEX_DIGEST, LAYER_DIGEST};
use soci_oci::{Descriptor, Digest, Manifest};

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

/// Returns whether a SOCI index was built for an image, and not for its base image: it has a ztoc
/// for each layer that is at least as large as the smallest layer with a ztoc.
pub(crate) fn covers_layers(soci_index: &Manifest, image: &ManifestEntry) -> bool {
    let ztocs = soci_index.layers().iter();
    let covered: Vec<Digest> = ztocs
        .filter_map(|ztoc| ztoc.annotations.get(LAYER_DIGEST)?.parse().ok())
        .collect();
    let layers = || image.layers.iter().map(|layer| &layer.descriptor);
    let is_covered = |layer: &&Descriptor| covered.contains(&layer.digest);
    let Some(smallest) = layers().filter(is_covered).map(|layer| layer.size).min() else {
        return false;
    };
    let is_indexable = |layer: &&Descriptor| {
        let compression = LayerCompression::of(&layer.media_type);
        is_layer(&layer.media_type)
            && matches!(compression, LayerCompression::Gzip | LayerCompression::Tar)
            && layer.size >= smallest
    };
    layers()
        .filter(is_indexable)
        .all(|layer| is_covered(&layer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::LayerEntry;
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

    #[test]
    fn a_soci_index_of_the_base_image_does_not_cover_the_layers_above() {
        let (base, small, above) = (layer("base", 100), layer("small", 10), layer("above", 100));
        let index = soci_index(&[&base]);
        assert!(covers_layers(
            &index,
            &image(&[base.clone(), small.clone()])
        ));
        assert!(!covers_layers(&index, &image(&[base, small, above])));
    }

    #[test]
    fn layers_that_no_ztoc_describes_need_not_be_covered() {
        let base = layer("base", 100);
        let mut zstd = layer("zstd", 100);
        zstd.media_type = GZIP.replace("gzip", "zstd");
        assert!(covers_layers(
            &soci_index(&[&base]),
            &image(&[base.clone(), zstd])
        ));
    }

    #[test]
    fn a_soci_index_of_another_image_covers_nothing() {
        let index = soci_index(&[&layer("other", 100)]);
        assert!(!covers_layers(&index, &image(&[layer("base", 100)])));
        assert!(!covers_layers(&soci_index(&[]), &image(&[])));
    }
}
