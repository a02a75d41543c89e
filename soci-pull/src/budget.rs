//! What one image may have at most, so that neither the memory nor the number of requests depends on
//! who has made the image. Each is checked before it is fetched.

use soci_cli::Failure;
use soci_document::Exit;
use soci_oci::{Manifest, convert, layer};

/// How many manifests an image may list, in all of its indexes.
pub(crate) const MAX_MANIFESTS: usize = 10_000;

/// How many manifests and nested indexes of an image are fetched. The largest images have about 100:
/// some 20 platforms, each with its attestation and SOCI index.
pub(crate) const MAX_FETCHED: usize = 1000;

/// How many manifests are fetched without a warning.
const FETCHED_WITHOUT_WARNING: usize = 200;

/// How many layers an image may have in all of its manifests. A document with more would be longer
/// than the tools read.
const MAX_LAYERS: usize = 50_000;

/// Bytes of the manifests of an image that are fetched, below the root: as many as a document has at
/// most, which repeats most of their content.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

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
            foreign_layers: MAX_FOREIGN_LAYERS,
            manifest_bytes: MAX_MANIFEST_BYTES,
            config_bytes: MAX_CONFIG_BYTES,
        }
    }
}

impl FetchBudget {
    /// Takes `count` manifests that an index lists.
    ///
    /// # Errors
    ///
    /// Returns an error if the image lists more than [`MAX_MANIFESTS`].
    pub(crate) fn take_listed(&mut self, count: usize) -> Result<(), Failure> {
        let what = format!("lists more than {MAX_MANIFESTS} manifests");
        take(&mut self.listed, count, &what)
    }

    /// Takes `count` manifests and nested indexes that are to be fetched for one index, and warns of
    /// many.
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
    /// Returns an error if the manifests have more than 16 MiB.
    pub(crate) fn take_manifest(&mut self, size: u64) -> Result<(), Failure> {
        let what = format!("has more than {MAX_MANIFEST_BYTES} bytes of manifests");
        take(&mut self.manifest_bytes, size, &what)
            .map_err(|failure| failure.hint("choose platforms with --platform"))
    }

    /// Takes what a manifest names: its layers, and if it is an image, its configuration, which is to
    /// be fetched, and its foreign layers, which are to be looked up in the registry.
    ///
    /// # Errors
    ///
    /// Returns an error if the image has more than 50,000 layers, 1,000 foreign layers, or 64 MiB of
    /// configurations.
    pub(crate) fn take_content(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        let layers = manifest.layers();
        self.take_layers(layers.len())?;
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

    /// Takes layers.
    ///
    /// # Errors
    ///
    /// Returns an error if the image has more than 50,000 layers.
    pub(crate) fn take_layers(&mut self, count: usize) -> Result<(), Failure> {
        let what = format!("has more than {MAX_LAYERS} layers in its manifests");
        take(&mut self.layers, count, &what)
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
        budget.take_layers(MAX_LAYERS).expect("the limit");
        budget.take_layers(1).expect_err("too many");
    }
}
