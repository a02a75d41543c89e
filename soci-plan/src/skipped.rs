//! Tells which layers the plan skips, one line for each reason.

use soci_document::{Document, LayerReason, SkipReason, Summary};

/// Tells which layers are skipped: for each reason, how many there are, their size, and the cure. A
/// layer that is skipped because of how the image was built is a warning.
pub(crate) fn tell_skipped(document: &Document) {
    let image = document.image.as_str();
    for group in &Summary::of(document).skipped {
        let skipped = group.describe();
        let explanation = group.reason.explain();
        let hint = explanation.is_curable().then_some(explanation.cure);
        if is_expected(group.reason) {
            tracing::info!(image, hint, "skipped {skipped}");
        } else {
            tracing::warn!(image, hint, "skipped {skipped}");
        }
    }
}

/// Returns whether a layer is skipped as the user, or the user's options, asked for.
const fn is_expected(reason: SkipReason) -> bool {
    matches!(
        reason,
        SkipReason::Planned(
            LayerReason::AlreadyIndexed | LayerReason::BelowMinLayerSize | LayerReason::Excluded
        )
    )
}
