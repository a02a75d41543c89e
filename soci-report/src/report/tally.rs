//! How many layers there are of each kind, and how large they are.

use std::cmp::Reverse;

use soci_document::{LayerTotal, SkipReason, SkippedLayers, Summary};

use super::layer::{Kind, LayerReport};

/// The layers of an image, or of all images.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Totals {
    /// All layers.
    pub(crate) all: LayerTotal,
    /// Those that have a ztoc, or will have one.
    pub(crate) covered: LayerTotal,
    /// Those whose ztocs were not built in this run.
    pub(crate) reused: LayerTotal,
    /// The size of all ztocs in bytes.
    pub(crate) ztocs: u64,
}

impl Totals {
    /// Returns the totals of a summary.
    pub(crate) const fn of(summary: &Summary<'_>) -> Self {
        Self {
            all: summary.all,
            covered: summary.indexed,
            reused: summary.reused,
            ztocs: summary.ztoc_bytes,
        }
    }

    /// Adds the totals of another image.
    pub(crate) const fn add(&mut self, other: &Self) {
        add(&mut self.all, other.all);
        add(&mut self.covered, other.covered);
        add(&mut self.reused, other.reused);
        self.ztocs = self.ztocs.saturating_add(other.ztocs);
    }
}

/// The layers of one manifest by kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Kinds {
    /// All layers.
    pub(crate) all: LayerTotal,
    /// The size of all ztocs in bytes.
    pub(crate) ztocs: u64,
    by_kind: [LayerTotal; Kind::ALL.len()],
}

impl Kinds {
    /// Returns the kinds of layers.
    pub(crate) fn of<'a>(layers: impl IntoIterator<Item = &'a LayerReport>) -> Self {
        let mut kinds = Self::default();
        for layer in layers {
            let one = LayerTotal {
                count: 1,
                bytes: layer.size,
            };
            add(&mut kinds.all, one);
            add(&mut kinds.by_kind[layer.kind as usize], one);
            kinds.ztocs = kinds.ztocs.saturating_add(layer.ztoc.unwrap_or(0));
        }
        kinds
    }

    /// Returns the layers of a kind.
    pub(crate) const fn kind(&self, kind: Kind) -> LayerTotal {
        self.by_kind[kind as usize]
    }

    /// Returns the layers that have a ztoc or will have one.
    pub(crate) fn covered(&self) -> LayerTotal {
        let mut covered = LayerTotal::default();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_covered()) {
            add(&mut covered, self.kind(kind));
        }
        covered
    }
}

/// Adds up the skipped layers of several images by reason: first the reasons that a user did not
/// ask for, and of these the ones with the most bytes.
pub(crate) fn add_up_reasons<'a>(
    groups: impl Iterator<Item = &'a SkippedLayers>,
) -> Vec<SkippedLayers> {
    let mut sums: Vec<SkippedLayers> = Vec::new();
    for group in groups {
        let is_same = |sum: &&mut SkippedLayers| sum.reason == group.reason;
        let Some(sum) = sums.iter_mut().find(is_same) else {
            sums.push(group.clone());
            continue;
        };
        add(&mut sum.layers, group.layers);
        for compression in &group.compressions {
            if !sum.compressions.contains(compression) {
                sum.compressions.push(compression.clone());
            }
        }
    }
    sums.sort_by_key(|sum| (is_wanted(sum.reason), Reverse(sum.layers.bytes)));
    sums
}

/// Returns whether the user asked for a layer to be left out.
pub(crate) fn is_wanted(reason: SkipReason) -> bool {
    Kind::of_skipped(reason) == Kind::LeftOut
}

/// Sizes in a document may be wrong, so that their sum may exceed the type.
const fn add(sum: &mut LayerTotal, other: LayerTotal) {
    sum.count = sum.count.saturating_add(other.count);
    sum.bytes = sum.bytes.saturating_add(other.bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(size: u64, kind: Kind) -> LayerReport {
        LayerReport {
            digest: String::new(),
            short_digest: String::new(),
            size,
            kind,
            reason: None,
            reused_from: None,
            ztoc: kind.is_covered().then_some(1),
            spans: None,
        }
    }

    #[test]
    fn adds_up_layers_by_kind() {
        let layers = [
            layer(10, Kind::Indexed),
            layer(20, Kind::Reused),
            layer(30, Kind::Skipped),
            layer(u64::MAX, Kind::LeftOut),
        ];
        let kinds = Kinds::of(&layers);
        let total = |count, bytes| LayerTotal { count, bytes };
        assert_eq!(kinds.covered(), total(2, 30));
        assert_eq!(kinds.kind(Kind::Skipped), total(1, 30));
        assert_eq!(kinds.all, total(4, u64::MAX));
        assert_eq!(kinds.ztocs, 2);
    }
}
