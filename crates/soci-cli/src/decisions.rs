//! The table of decisions that `--explain` prints.

use soci_document::{
    Document, Explanation, LayerDecision, LayerEntry, ManifestDecision, ManifestEntry,
};

use crate::Progress;
use crate::size::ByteSize;
use soci_oci::printable::to_printable;

/// Prints the table of decisions of a document to stderr. A table that cannot be printed does not
/// fail the run.
pub fn print_decisions(document: &Document, progress: &Progress) {
    let table = format_decisions(document);
    drop(progress.print(table.as_bytes()));
}

/// Formats the decisions of a planned document, and what became of them if it is an indexed one:
/// one line for the image, below it one for each manifest, and below each manifest one for each of
/// its layers. At the end, one line for each reason in the table gives its cause and its cure.
fn format_decisions(document: &Document) -> String {
    let mut table = to_printable(document.image.as_str()).into_owned() + "\n";
    let mut legend = Legend::default();
    for entry in &document.manifests {
        table.extend(format_manifest(entry, &mut legend));
        let layers = entry.layers.iter();
        table.extend(layers.filter_map(|layer| format_layer(layer, &mut legend)));
    }
    table + &legend.lines
}

/// The explanations of the reasons in a table, each once.
#[derive(Default)]
struct Legend {
    lines: String,
}

impl Legend {
    fn add(&mut self, reason: &impl ToString, explanation: Explanation) {
        let Explanation { cause, cure } = explanation;
        let line = format!("  {}: {cause}; {cure}\n", reason.to_string());
        if !self.lines.contains(&line) {
            self.lines += &line;
        }
    }
}

/// Formats the line of a manifest, or nothing if the manifest has no decision.
fn format_manifest(entry: &ManifestEntry, legend: &mut Legend) -> Option<String> {
    let decision = entry.plan.as_ref()?;
    let platform = entry.platform().map_or_else(
        || "no platform".to_owned(),
        |platform| to_printable(&platform.to_string()).into_owned(),
    );
    let action = match decision {
        ManifestDecision::Index { .. } => "index".to_owned(),
        ManifestDecision::Skip {
            reason: Some(reason),
        } => {
            legend.add(reason, reason.explain());
            format!("skip ({reason})")
        }
        ManifestDecision::Skip { reason: None } => "skip".to_owned(),
    };
    let digest = entry.descriptor.digest;
    Some(format!("  {platform:<20} {action}  {digest}\n"))
}

/// Formats the line of a layer, or nothing if the layer has no decision.
fn format_layer(layer: &LayerEntry, legend: &mut Legend) -> Option<String> {
    let decision = layer.plan.as_ref()?;
    let size = ByteSize(layer.descriptor.size).to_string();
    let action = match (decision, layer.skipped) {
        (LayerDecision::Index, Some(reason)) => {
            legend.add(&reason, reason.explain());
            format!("skip: {reason}")
        }
        (LayerDecision::Index, None) => "index".to_owned(),
        (
            LayerDecision::Skip {
                reason: Some(reason),
            },
            _,
        ) => {
            legend.add(reason, reason.explain());
            format!("skip: {reason}")
        }
        (LayerDecision::Skip { reason: None }, _) => "skip".to_owned(),
    };
    let digest = layer.descriptor.digest.short();
    Some(format!("    {size:>12}  {digest}  {action}\n"))
}
