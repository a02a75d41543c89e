//! Tells which layers are skipped because they cannot be indexed, one line for each reason.

use std::collections::BTreeMap;

use soci_document::{HumanSize, LayerTotal, UnindexableReason};
use soci_oci::{Descriptor, Digest};

use crate::layer_key::LayerKey;
use crate::layers::LayerOutcomes;
use crate::outcome::{LayerOutcome, SkippedLayer};

/// The layers that are skipped for one reason.
struct Group<'a> {
    total: LayerTotal,
    /// The largest of the layers, and what was found in it.
    largest: (Digest, &'a SkippedLayer),
}

/// Warns of the layers of an image that are skipped: for each reason, how many there are, their
/// size, the cause in the largest of them, and the cure. `layers` are sorted by size, the largest
/// first.
pub(crate) fn warn_of_skipped(
    image: &str,
    layers: &[(LayerKey, Descriptor)],
    outcomes: &LayerOutcomes,
) {
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for (key, layer) in layers {
        let Some(LayerOutcome::Skipped(skipped)) = outcomes.get(key).map(|found| &found.outcome)
        else {
            continue;
        };
        let group = groups.entry(skipped.reason.to_string()).or_insert(Group {
            total: LayerTotal::default(),
            largest: (layer.digest, skipped),
        });
        group.total.count += 1;
        group.total.bytes = group.total.bytes.saturating_add(layer.size);
    }
    for Group { total, largest } in groups.into_values() {
        let (digest, SkippedLayer { reason, cause, .. }) = largest;
        let reason: &UnindexableReason = reason;
        let layer = match total.count {
            1 => format!("`{digest}`"),
            _ => format!("such as `{digest}`"),
        };
        let (count, size) = (total.count_layers(), HumanSize(total.bytes));
        let hint = reason.explain().cure;
        tracing::warn!(
            image,
            hint,
            "skipped {count}, {size}: {reason}: {layer}: {cause}"
        );
    }
}
