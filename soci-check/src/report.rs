//! The report of a check for a reader.

use soci_cli::to_printable;
use soci_document::{
    Check, CheckedIndex, CheckedManifest, Document, Finding, HumanSizes, LayerCoverage,
};

/// The width of the names in the report.
const NAME_WIDTH: usize = 9;

/// How many findings of one severity are shown.
const MAX_SHOWN: usize = 50;

/// Formats the report on a document: the answer for Fargate, the SOCI indexes, what was proved, and
/// the findings, errors first.
pub(crate) fn format_report(document: &Document) -> String {
    let Some(check) = &document.check else {
        return String::new();
    };
    let mut rows = Rows(String::new());
    let converted = check.converted.as_ref();
    let layers = converted.map_or(check.layers, |converted| converted.layers);
    rows.add("layers", &describe_layers(&layers));
    for manifest in &check.manifests {
        rows.add("index", &describe_manifest(manifest));
    }
    if let Some(converted) = &check.converted {
        rows.add("deploy", &format!("{}@{}", converted.tag, converted.digest));
        for manifest in &converted.manifests {
            rows.add("index", &describe_manifest(manifest));
        }
    }
    rows.add("proved", &describe_proof(check));
    let (mut severity, mut shown) = (None, 0);
    for finding in &check.findings {
        if severity != Some(finding.severity) {
            (severity, shown) = (Some(finding.severity), 0);
        }
        shown += 1;
        if shown <= MAX_SHOWN {
            rows.add_finding(finding);
        }
    }
    if check.omitted > 0 {
        rows.add(
            "more",
            &format!("{} findings of these rules", check.omitted),
        );
    }
    let first = format!("{}: {}", document.image, check.answer);
    format!("{}\n{}", to_printable(&first), rows.0)
}

/// Describes a manifest, such as `linux/amd64: version 2, sha256:…; 4 of 6 layers, 195 of 226 MiB
/// lazy`.
fn describe_manifest(manifest: &CheckedManifest) -> String {
    let platform = manifest.platform.as_ref();
    let platform = platform.map_or_else(|| "no platform".to_owned(), ToString::to_string);
    if manifest.indexes.is_empty() {
        return format!("{platform}: none");
    }
    let describe = |index: &CheckedIndex| {
        let version = match index.version {
            soci_document::IndexVersion::V1 => 1,
            soci_document::IndexVersion::V2 => 2,
        };
        format!("version {version}, {}", index.digest)
    };
    let indexes: Vec<String> = manifest.indexes.iter().map(describe).collect();
    let layers = describe_layers(&manifest.layers);
    format!("{platform}: {}; {layers}", indexes.join("; "))
}

/// Describes layers, such as `4 of 6 layers, 195 of 226 MiB lazy`.
fn describe_layers(layers: &LayerCoverage) -> String {
    let sizes = HumanSizes {
        part: layers.lazy_bytes,
        whole: layers.bytes,
    };
    let plural = if layers.count == 1 { "" } else { "s" };
    format!(
        "{} of {} layer{plural}, {sizes} lazy",
        layers.lazy, layers.count
    )
}

fn describe_proof(check: &Check) -> String {
    match check.proved {
        Some(proved) => {
            let size = soci_document::HumanSize(proved.bytes);
            format!("{} ztocs against {size} of layers", proved.ztocs)
        }
        None => "nothing: no layer was read".to_owned(),
    }
}

/// The rows below the first line of the report.
struct Rows(String);

impl Rows {
    fn add(&mut self, name: &str, value: &str) {
        // Text from a registry must not add rows, or send escape sequences.
        let value = to_printable(value);
        let row = format!("  {name:<NAME_WIDTH$} {value}\n");
        self.0 += &row;
    }

    fn add_finding(&mut self, finding: &Finding) {
        let name = finding.severity.as_str();
        self.add(name, &format!("{}: {}", finding.rule, finding.message));
        if let Some(hint) = &finding.hint {
            self.add("", &format!("to do: {hint}"));
        }
    }
}
