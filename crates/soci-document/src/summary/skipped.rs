//! Layers without a ztoc, by reason.

use std::fmt;

use crate::{
    Explanation, HumanSize, LayerDecision, LayerEntry, LayerReason, LayerTotal, UnindexableReason,
};

/// Why a layer has no ztoc.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SkipReason {
    /// The plan skips it. A plan that was edited by hand and gives no reason excludes it.
    Planned(LayerReason),
    /// `soci-index` found that it cannot be indexed.
    Found(UnindexableReason),
}

/// The layers that have no ztoc for one reason. Displayed as `unsupported-compression (zstd)`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SkippedLayers {
    /// The reason.
    pub reason: SkipReason,
    /// The compressions that a ztoc cannot describe, such as `zstd`, if that is the reason and the
    /// media types name them.
    pub compressions: Vec<String>,
    /// How many layers there are, and their size.
    pub layers: LayerTotal,
}

impl SkipReason {
    /// Returns why a layer has no ztoc, or `None` if it has or may get one.
    pub fn of(layer: &LayerEntry) -> Option<Self> {
        match (layer.plan, layer.skipped) {
            (Some(LayerDecision::Skip { reason }), _) => {
                Some(Self::Planned(reason.unwrap_or(LayerReason::Excluded)))
            }
            (_, Some(reason)) if layer.ztoc.as_done().is_none() => Some(Self::Found(reason)),
            _ => None,
        }
    }

    /// Returns the explanation of the reason.
    pub const fn explain(self) -> Explanation {
        match self {
            Self::Planned(reason) => reason.explain(),
            Self::Found(reason) => reason.explain(),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned(reason) => reason.fmt(f),
            Self::Found(reason) => reason.fmt(f),
        }
    }
}

impl SkippedLayers {
    /// Returns a group of one layer.
    pub(super) fn new(reason: SkipReason, layer: &LayerEntry) -> Self {
        let mut skipped = Self {
            reason,
            compressions: Vec::new(),
            layers: LayerTotal::default(),
        };
        skipped.add(layer);
        skipped
    }

    /// Adds a layer with the same reason.
    pub(super) fn add(&mut self, layer: &LayerEntry) {
        self.layers.add(layer);
        if self.reason == SkipReason::Planned(LayerReason::UnsupportedCompression)
            && let Some(compression) = name_compression(&layer.descriptor.media_type)
            && !self.compressions.contains(&compression)
        {
            self.compressions.push(compression);
        }
    }
}

impl SkippedLayers {
    /// Describes the layers and the reason, such as `2 layers, 30 MiB: unsupported-compression
    /// (zstd)`.
    pub fn describe(&self) -> String {
        let size = HumanSize(self.layers.bytes);
        format!("{}, {size}: {self}", self.layers.count_layers())
    }
}

impl fmt::Display for SkippedLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.compressions.as_slice() {
            [] => self.reason.fmt(f),
            names => write!(f, "{} ({})", self.reason, names.join(", ")),
        }
    }
}

/// Returns the compression that a media type names: what follows `+` in those of the OCI
/// image-spec, or the last `.` in those of Docker.
fn name_compression(media_type: &str) -> Option<String> {
    /// Longer than the name of any compression.
    const LIMIT: usize = 16;
    let (_, name) = media_type.rsplit_once(['+', '.'])?;
    let is_name = !name.is_empty()
        && name.len() <= LIMIT
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_compression_of_a_media_type() {
        for (media_type, expected) in [
            ("application/vnd.oci.image.layer.v1.tar+zstd", Some("zstd")),
            (
                "application/vnd.docker.image.rootfs.diff.tar.zstd",
                Some("zstd"),
            ),
            ("application/vnd.oci.image.layer.v1.tar+\u{1b}[2J", None),
            ("zstd", None),
        ] {
            assert_eq!(name_compression(media_type).as_deref(), expected);
        }
    }
}
