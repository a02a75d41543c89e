//! The summary of an image for a terminal.

use soci_document::{
    Document, FailedImage, HumanSize, Push, SkippedLayers, Stage, StageError, Summary,
};

use soci_oci::printable::to_printable;

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
    let image = to_printable(document.image.as_str());
    format!("{image}: {}\n{}", describe_state(&summary), rows.0)
}

/// Formats an image that failed: what of it was pushed, if a part was, and a line with the error.
pub(crate) fn format_failed(failed: &FailedImage) -> String {
    if let Some(document) = failed.to_document() {
        return format_document(&document);
    }
    let image = failed.image.as_ref();
    let image = image.map(|image| format!("{image}: ")).unwrap_or_default();
    let text = format!("{image}{}", describe_error(&failed.error));
    to_printable(&text).into_owned() + "\n"
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
            let value = to_printable(&value);
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

/// Describes what was sent, such as `9 blobs, manifests and tags, 4.1 MiB; 3 were there before`.
fn describe_traffic(push: &Push) -> String {
    let (uploaded, size) = (push.uploaded, HumanSize(push.bytes));
    let sent = match uploaded {
        0 => "nothing".to_owned(),
        _ => format!("{uploaded} blobs, manifests and tags, {size}"),
    };
    match push.existing {
        0 => sent,
        existing => format!("{sent}; {existing} were there before"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn example() -> Value {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let descriptor = json!({"mediaType": "m", "digest": digest, "size": 3 << 20});
        json!({"version": 1, "image": "app:v1", "root": descriptor, "manifests": [
            {"descriptor": descriptor, "platform": {"os": "linux", "architecture": "amd64"},
                "layers": [{"descriptor": descriptor}]}]})
    }

    fn summary(document: &Value) -> String {
        let line = document.to_string();
        format_document(&Document::from_line(line.as_bytes()).expect("a document"))
    }

    #[test]
    fn a_pulled_image_has_its_digest_platform_and_layers() {
        let text = summary(&example());
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let expected = format!(
            "app:v1: pulled\n  digest    {digest}\n  platform  linux/amd64\n  layers    1 layer, \
             3.0 MiB\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_planned_image_says_what_is_skipped() {
        let mut document = example();
        document["plan"] = json!({"platforms": ["all"], "minLayerSize": 0, "spanSize": 1,
            "indexVersion": "v2"});
        let entry = &mut document["manifests"][0];
        entry["plan"] = json!({"action": "index"});
        entry["layers"][0]["plan"] = json!({"action": "skip", "reason": "below-min-layer-size"});
        let text = summary(&document);
        let expected = "app:v1: planned, nothing to index\n  platform  linux/amd64\n  layers    0 of \
             1 layer, 0 of 3.0 MiB\n  skipped   1 layer, 3.0 MiB: below-min-layer-size\n";
        assert_eq!(text, expected);
    }

    /// What an image says of itself adds no row, and sends no escape sequence.
    #[test]
    fn text_of_an_image_cannot_forge_a_row() {
        let mut document = example();
        document["manifests"][0]["platform"]["os"] = "linux\n  deploy    evil\u{1b}[2J".into();
        let text = summary(&document);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
