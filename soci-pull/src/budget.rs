//! What one image may have at most, so that neither the memory nor the number of requests depends
//! on who has made the image. Each is checked before it is fetched.

use soci_cli::Failure;
use soci_document::{Exit, ManifestEntry};
use soci_oci::{Descriptor, Index, Manifest, convert, layer};

/// How many manifests an image may list, in all of its indexes.
pub(crate) const MAX_MANIFESTS: usize = 10_000;

/// How many manifests and nested indexes of an image are fetched. The largest images have about
/// 100: some 20 platforms, each with its attestation and SOCI index.
pub(crate) const MAX_FETCHED: usize = 1000;

/// How many manifests are fetched without a warning.
const FETCHED_WITHOUT_WARNING: usize = 200;

/// How many layers an image may have in all of its manifests. A document with more would be longer
/// than the tools read.
const MAX_LAYERS: usize = 50_000;

/// How many annotations and URLs an image may have in all of its manifests. Each takes about 500
/// bytes of memory in `soci-index`, however short it is.
const MAX_ANNOTATIONS: usize = 200_000;

/// Bytes of the manifests of an image that are fetched, below the root. A document repeats most of
/// their content, and may have 16 MiB.
const MAX_MANIFEST_BYTES: u64 = 8 << 20;

/// Bytes of the configurations of an image that are fetched.
const MAX_CONFIG_BYTES: u64 = 64 << 20;

/// How many foreign layers of an image are looked up in the registry.
const MAX_FOREIGN_LAYERS: usize = 1000;

/// What may still be fetched of one image.
#[derive(Debug)]
pub(crate) struct FetchBudget {
    listed: usize,
    fetched: usize,
    layers: usize,
    annotations: usize,
    foreign_layers: usize,
    manifest_bytes: u64,
    config_bytes: u64,
}

impl Default for FetchBudget {
    fn default() -> Self {
        Self {
            listed: MAX_MANIFESTS,
            fetched: MAX_FETCHED,
            layers: MAX_LAYERS,
            annotations: MAX_ANNOTATIONS,
            foreign_layers: MAX_FOREIGN_LAYERS,
            manifest_bytes: MAX_MANIFEST_BYTES,
            config_bytes: MAX_CONFIG_BYTES,
        }
    }
}

impl FetchBudget {
    /// Takes what an index lists.
    ///
    /// # Errors
    ///
    /// Returns an error if the image lists more than 10,000 manifests, or has more than 200,000
    /// annotations.
    pub(crate) fn take_listed(&mut self, index: &Index) -> Result<(), Failure> {
        let what = format!("lists more than {MAX_MANIFESTS} manifests");
        take(&mut self.listed, index.manifests.len(), &what)?;
        self.take_annotations(index.annotations.len(), &index.manifests)
    }

    /// Takes `count` manifests and nested indexes that are to be fetched for one index, and warns
    /// of many.
    ///
    /// # Errors
    ///
    /// Returns an error if they are more than [`MAX_FETCHED`] for the image.
    pub(crate) fn take_fetched(&mut self, count: usize) -> Result<(), Failure> {
        let what = format!("lists more than {MAX_FETCHED} manifests that were asked for");
        take(&mut self.fetched, count, &what)
            .map_err(|failure| failure.hint("choose platforms with --platform"))?;
        if count > FETCHED_WITHOUT_WARNING {
            tracing::warn!(
                "an image index lists {count} manifests, and each is fetched; choose platforms with --platform"
            );
        }
        Ok(())
    }

    /// Takes a manifest of `size` bytes that is to be fetched.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifests have more than 8 MiB.
    pub(crate) fn take_manifest(&mut self, size: u64) -> Result<(), Failure> {
        let what = format!("has more than {MAX_MANIFEST_BYTES} bytes of manifests");
        take(&mut self.manifest_bytes, size, &what)
            .map_err(|failure| failure.hint("choose platforms with --platform"))
    }

    /// Takes what a manifest names: its layers, and if it is an image, its configuration, which is
    /// to be fetched, and its foreign layers, which are to be looked up in the registry.
    ///
    /// # Errors
    ///
    /// Returns an error if the image has more than 50,000 layers, 1,000 foreign layers, 200,000
    /// annotations, or 64 MiB of configurations.
    pub(crate) fn take_content(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        let layers = manifest.layers();
        let what = format!("has more than {MAX_LAYERS} layers in its manifests");
        take(&mut self.layers, layers.len(), &what)?;
        let config = manifest.config.iter();
        self.take_annotations(manifest.annotations.len(), layers.iter().chain(config))?;
        if !convert::is_image(manifest) {
            return Ok(());
        }
        let foreign = layers
            .iter()
            .filter(|layer| layer::is_foreign(&layer.media_type))
            .count();
        let what = format!("has more than {MAX_FOREIGN_LAYERS} foreign layers");
        take(&mut self.foreign_layers, foreign, &what)?;
        let config = manifest.config.as_ref().map_or(0, |config| config.size);
        let what = format!("has more than {MAX_CONFIG_BYTES} bytes of configurations");
        take(&mut self.config_bytes, config, &what)
            .map_err(|failure| failure.hint("choose platforms with --platform"))
    }

    /// Takes what the entry of a manifest has that is listed once more.
    ///
    /// # Errors
    ///
    /// Returns an error if the image has more than 50,000 layers, or 200,000 annotations.
    pub(crate) fn take_copy(&mut self, entry: &ManifestEntry) -> Result<(), Failure> {
        let what = format!("has more than {MAX_LAYERS} layers in its manifests");
        take(&mut self.layers, entry.layers.len(), &what)?;
        let layers = entry.layers.iter().map(|layer| &layer.descriptor);
        self.take_annotations(0, layers)
    }

    /// Takes `count` annotations, and those and the URLs of some descriptors.
    fn take_annotations<'a>(
        &mut self,
        count: usize,
        descriptors: impl IntoIterator<Item = &'a Descriptor>,
    ) -> Result<(), Failure> {
        let descriptors = descriptors.into_iter();
        let entries = descriptors.map(|found| found.annotations.len() + found.urls.len());
        let what = format!("has more than {MAX_ANNOTATIONS} annotations in its manifests");
        take(&mut self.annotations, count + entries.sum::<usize>(), &what)
    }
}

/// Takes `count` from what is left. `what` tells what the image has if less is left.
fn take<T>(left: &mut T, count: T, what: &str) -> Result<(), Failure>
where
    T: Copy + PartialOrd + std::ops::Sub<Output = T>,
{
    if count > *left {
        let message = format!("the image {what}");
        return Err(Failure::message(Exit::BadData, message));
    }
    *left = *left - count;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_beyond_a_limit() {
        let mut budget = FetchBudget::default();
        budget.take_manifest(MAX_MANIFEST_BYTES).expect("the limit");
        budget.take_manifest(0).expect("nothing more");
        let failure = budget.take_manifest(1).expect_err("too much");
        assert_eq!(failure.exit, Exit::BadData);
        budget
            .take_annotations(MAX_ANNOTATIONS, [])
            .expect("the limit");
        budget.take_annotations(1, []).expect_err("too many");
    }
}
