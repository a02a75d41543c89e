//! The summary of an image for a terminal.

use soci_document::{
    Document, FailedImage, HumanSize, Push, SkippedLayers, Stage, StageError, Summary,
};

use crate::log::replace_control_characters;

/// The width of the names in a summary.
const NAME_WIDTH: usize = 9;

/// Formats the summary of a document, several lines: what was done with the image, below it what to
/// deploy, and what is indexed.
pub(crate) fn format_document(document: &Document) -> String {
    let summary = Summary::of(document);
    let mut rows = Rows::default();
    match summary.stage {
        Stage::Pulled => rows.add("digest", [document.root.digest.to_string()]),
        Stage::Pushed => rows.add("deploy", summary.list_deployments()),
        Stage::Planned | Stage::Indexed => {}
    }
    let platforms: Vec<String> = summary.platforms.iter().map(ToString::to_string).collect();
    if !platforms.is_empty() {
        rows.add("platform", [platforms.join(", ")]);
    }
    if summary.stage == Stage::Pulled {
        let size = HumanSize(summary.all.bytes);
        rows.add(
            "layers",
            [format!("{}, {size}", summary.all.count_layers())],
        );
    } else if !summary.is_unchanged() {
        rows.add("layers", [summary.describe_counts()]);
    }
    let skipped = summary.skipped.iter().map(SkippedLayers::describe);
    rows.add("skipped", skipped);
    if let Some(push) = summary.push().filter(|_| !summary.is_unchanged()) {
        rows.add("sent", [describe_traffic(push)]);
    }
    if let Some(error) = &document.error {
        rows.add("error", [describe_error(error)]);
    }
    let image = replace_control_characters(document.image.as_str());
    format!("{image}: {}\n{}", describe_state(&summary), rows.0)
}

/// Formats an image that failed: what of it was pushed, if a part was, and a line with the error.
pub(crate) fn format_failed(failed: &FailedImage) -> String {
    if let Some(document) = failed.to_document() {
        return format_document(&document);
    }
    let image = failed.image.as_ref();
    let image = image.map(|image| format!("{image}: ")).unwrap_or_default();
    replace_control_characters(&format!("{image}{}", describe_error(&failed.error))) + "\n"
}

fn describe_error(error: &StageError) -> String {
    format!("failed in {}: {}", error.stage, error.message)
}

/// The rows below the first line of a summary.
#[derive(Default)]
struct Rows(String);

impl Rows {
    /// Adds a row for each of `values`. The name stands in the first one.
    fn add(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let names = std::iter::once(name).chain(std::iter::repeat(""));
        for (name, value) in names.zip(values) {
            // Text from a registry or a file must not add rows, or send escape sequences.
            let value = replace_control_characters(&value);
            let row = format!("  {name:<NAME_WIDTH$} {value}\n");
            self.0 += &row;
        }
    }
}

/// Describes what was done with the image.
fn describe_state(summary: &Summary<'_>) -> &'static str {
    if summary.is_unchanged() {
        return "unchanged";
    }
    let is_empty = summary.indexed.count == 0;
    match (summary.stage, summary.push()) {
        (Stage::Pulled, _) => "pulled",
        (Stage::Planned, _) if is_empty => "planned, nothing to index",
        (Stage::Planned, _) => "planned",
        (_, Some(_)) if summary.is_partial() => "pushed in part",
        (_, Some(push)) if push.dry_run => "dry run, nothing was pushed",
        (_, Some(_)) => "pushed",
        (_, None) if is_empty => "nothing was indexed",
        (_, None) => "indexed",
    }
}

/// Describes what was sent, such as `9 blobs and manifests, 4.1 MiB; 3 were there before`.
fn describe_traffic(push: &Push) -> String {
    let size = HumanSize(push.bytes);
    let Push {
        uploaded, existing, ..
    } = push;
    format!("{uploaded} blobs, manifests and tags, {size}; {existing} were there before")
}
