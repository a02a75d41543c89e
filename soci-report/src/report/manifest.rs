//! The manifests of an image.

use soci_document::{Document, ManifestDecision, ManifestEntry, ManifestReason};

use crate::clean::clean;
use crate::report::{Kinds, LayerReport};

/// A manifest that is indexed or is to be indexed, or whose layers are known in any case.
#[derive(Clone, Debug)]
pub(crate) struct ManifestReport {
    /// The platform, such as `linux/amd64`.
    pub(crate) platform: String,
    pub(crate) digest: String,
    pub(crate) layers: Vec<LayerReport>,
    /// The SOCI indexes, version 2 first.
    pub(crate) indexes: Vec<IndexReport>,
}

/// A SOCI index of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct IndexReport {
    /// `v1` or `v2`.
    pub(crate) version: &'static str,
    pub(crate) digest: String,
}

/// Manifests of one platform that are not indexed, for one reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SkippedManifest {
    /// The platform, such as `linux/amd64`.
    pub(crate) platform: String,
    /// How many there are.
    pub(crate) count: usize,
    /// The reason, which a plan that was edited by hand may lack.
    pub(crate) reason: Option<ManifestReason>,
}

impl SkippedManifest {
    /// Returns the platform, and the number of the manifests if there are several.
    pub(crate) fn name(&self) -> String {
        match self.count {
            1 => self.platform.clone(),
            count => format!("{} ({count} manifests)", self.platform),
        }
    }
}

impl ManifestReport {
    /// Returns the layers by kind.
    pub(crate) fn kinds(&self) -> Kinds {
        Kinds::of(&self.layers)
    }

    /// Returns the size of the largest layer in bytes.
    pub(crate) fn largest_layer(&self) -> u64 {
        let sizes = self.layers.iter().map(|layer| layer.size);
        sizes.max().unwrap_or(0)
    }
}

/// Splits the manifests of a document into those to report in full and those that are skipped.
/// Without a plan, each manifest whose layers are known is reported in full.
pub(crate) fn split(document: &Document) -> (Vec<ManifestReport>, Vec<SkippedManifest>) {
    let span_size = document.plan.as_ref().map(|plan| plan.span_size);
    let mut reports = Vec::new();
    let mut skipped = Vec::new();
    for entry in &document.manifests {
        match &entry.plan {
            Some(ManifestDecision::Skip { reason }) => {
                add_skipped(&mut skipped, platform(entry), *reason);
            }
            None if entry.layers.is_empty() => {}
            None | Some(ManifestDecision::Index { .. }) => reports.push(report(entry, span_size)),
        }
    }
    (reports, skipped)
}

/// Adds a manifest to those of its platform that are skipped for the same reason.
fn add_skipped(
    skipped: &mut Vec<SkippedManifest>,
    platform: String,
    reason: Option<ManifestReason>,
) {
    let is_same =
        |other: &&mut SkippedManifest| other.platform == platform && other.reason == reason;
    match skipped.iter_mut().find(is_same) {
        Some(same) => same.count += 1,
        None => skipped.push(SkippedManifest {
            platform,
            count: 1,
            reason,
        }),
    }
}

fn report(entry: &ManifestEntry, span_size: Option<u64>) -> ManifestReport {
    let layers = entry.layers.iter();
    let indexes = entry.index.as_done().into_iter().flat_map(|indexes| {
        let versions = [("v2", &indexes.v2), ("v1", &indexes.v1)];
        versions.into_iter().filter_map(|(version, index)| {
            let digest = index.as_ref()?.digest.to_string();
            Some(IndexReport { version, digest })
        })
    });
    ManifestReport {
        platform: platform(entry),
        digest: entry.descriptor.digest.to_string(),
        layers: layers
            .map(|layer| LayerReport::new(layer, span_size))
            .collect(),
        indexes: indexes.collect(),
    }
}

/// Returns the platform of a manifest, as it was asked for.
fn platform(entry: &ManifestEntry) -> String {
    match entry.planned_platform().map(ToString::to_string) {
        Some(platform) if !platform.trim_matches('/').is_empty() => clean(&platform).into_owned(),
        _ => "no platform".to_owned(),
    }
}
