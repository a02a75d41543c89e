//! The decisions as a table for people.

use soci_cli::{ByteSize, printable};
use soci_document::{Action, Document, LayerEntry, ManifestEntry};

/// Returns a table of the decisions, one line for each manifest and for each of its layers.
pub(crate) fn table(document: &Document) -> String {
    let mut text = printable(&document.image) + "\n";
    for entry in &document.manifests {
        manifest(&mut text, entry);
        for layer in &entry.layers {
            if let Some(line) = decision(layer) {
                text.push_str(&line);
            }
        }
    }
    text
}

fn manifest(text: &mut String, entry: &ManifestEntry) {
    let platform = entry.platform().map_or_else(
        || "no platform".to_owned(),
        |platform| printable(&platform.to_string()),
    );
    let Some(plan) = &entry.plan else { return };
    let reason = plan
        .reason
        .map(|reason| format!(" ({reason})"))
        .unwrap_or_default();
    let action = plan.action;
    let digest = entry.descriptor.digest;
    let line = format!("  {platform:<20} {action}{reason}  {digest}\n");
    text.push_str(&line);
}

fn decision(layer: &LayerEntry) -> Option<String> {
    let plan = layer.plan.as_ref()?;
    let size = ByteSize(layer.descriptor.size).to_string();
    let what = match (plan.action, plan.reason) {
        (Action::Index, _) => "index".to_owned(),
        (Action::Skip, Some(reason)) => format!("skip: {reason}"),
        (Action::Skip, None) => "skip".to_owned(),
    };
    let digest = layer.descriptor.digest.short();
    Some(format!("    {size:>12}  {digest}  {what}\n"))
}
