//! Refuses layers that are not what their media type says, or exceed a limit, as `--strict` asks
//! for.

use soci_cli::Failure;
use soci_document::Exit;
use soci_oci::Descriptor;

use crate::context::Strictness;
use crate::layer_key::LayerKey;
use crate::layers::LayerOutcomes;
use crate::outcome::LayerOutcome;

/// Checks the outcomes of `layers`.
///
/// # Errors
///
/// Returns a failure that names the first of these layers with its reason, cause and cure, if there
/// is one and `strictness` is [`Strictness::Strict`].
pub(crate) fn check_layers(
    strictness: Strictness,
    layers: &[(LayerKey, Descriptor)],
    outcomes: &LayerOutcomes,
) -> Result<(), Failure> {
    if strictness == Strictness::Lenient {
        return Ok(());
    }
    let mut refused = Vec::new();
    for (key, layer) in layers {
        if let Some(LayerOutcome::Skipped(skipped)) = outcomes.get(key).map(|found| &found.outcome)
            && skipped.reason.is_refused_if_strict()
        {
            refused.push((layer, skipped));
        }
    }
    let Some((layer, skipped)) = refused.first() else {
        return Ok(());
    };
    let others = match refused.len() {
        1 => String::new(),
        count => format!(" (one of {count} such layers)"),
    };
    let message = format_args!("layer `{}`: {skipped}{others}", layer.digest);
    let cure = skipped.reason.explain().cure;
    Err(Failure::message(Exit::BadData, message).hint(cure))
}
