//! The table of decisions that `--explain` prints.

use soci_cli::{ByteSize, replace_control_characters};
use soci_document::{Document, LayerDecision, LayerEntry, ManifestDecision, ManifestEntry};

/// Formats the decisions of a planned document: one line for the image, below it one for each
/// manifest, and below each manifest one for each of its layers.
pub(crate) fn format_table(document: &Document) -> String {
    let mut table = replace_control_characters(document.image.as_str()) + "\n";
    for entry in &document.manifests {
        table.extend(format_manifest(entry));
        table.extend(entry.layers.iter().filter_map(format_layer));
    }
    table
}

/// Formats the line of a manifest, or nothing if the manifest has no decision.
fn format_manifest(entry: &ManifestEntry) -> Option<String> {
    let decision = entry.plan.as_ref()?;
    let platform = entry.platform().map_or_else(
        || "no platform".to_owned(),
        |platform| replace_control_characters(&platform.to_string()),
    );
    let action = match decision {
        ManifestDecision::Index { .. } => "index".to_owned(),
        ManifestDecision::Skip {
            reason: Some(reason),
        } => format!("skip ({reason})"),
        ManifestDecision::Skip { reason: None } => "skip".to_owned(),
    };
    let digest = entry.descriptor.digest;
    Some(format!("  {platform:<20} {action}  {digest}\n"))
}

/// Formats the line of a layer, or nothing if the layer has no decision.
fn format_layer(layer: &LayerEntry) -> Option<String> {
    let decision = layer.plan.as_ref()?;
    let size = ByteSize(layer.descriptor.size).to_string();
    let action = match decision {
        LayerDecision::Index => "index".to_owned(),
        LayerDecision::Skip {
            reason: Some(reason),
        } => format!("skip: {reason}"),
        LayerDecision::Skip { reason: None } => "skip".to_owned(),
    };
    let digest = layer.descriptor.digest.short();
    Some(format!("    {size:>12}  {digest}  {action}\n"))
}
