//! What is said of an image of which nothing is to be indexed: the cause, and the cure.

use std::fmt::Display;

use soci_cli::Failure;
use soci_document::{
    Document, Exit, Explanation, HumanSize, ManifestDecision, ManifestEntry, ManifestReason,
    SkippedLayers, Summary,
};

/// Why no layer of an image is to be indexed.
pub(crate) struct NothingToIndex {
    cause: String,
    /// What the user can do.
    cure: Option<String>,
}

impl NothingToIndex {
    /// Explains why no layer of an image is to be indexed. Returns `None` for an image that is
    /// converted already, because the user need not do anything.
    pub(crate) fn explain(document: &Document) -> Option<Self> {
        let (cause, cure) = match document.unchanged {
            true if is_own_output(document) => return None,
            true => describe_manifests(document),
            false => describe_layers(document),
        };
        Some(Self { cause, cure })
    }

    /// Returns the failure of a user who requires a layer.
    pub(crate) fn into_failure(self) -> Failure {
        Failure {
            hint: self.cure,
            ..Failure::message(Exit::NothingMatches, self.cause)
        }
    }

    /// Warns of it.
    pub(crate) fn warn(&self, document: &Document) {
        let (image, cause) = (document.image.as_str(), &self.cause);
        if let Some(hint) = &self.cure {
            tracing::warn!(image, hint, "{cause}");
        } else {
            tracing::warn!(image, "{cause}");
        }
    }
}

/// Returns whether the manifests that the plan leaves out are images that are converted already, or
/// SOCI indexes.
fn is_own_output(document: &Document) -> bool {
    let mut reasons = document.manifests.iter().map(skip_reason);
    reasons.any(|reason| reason == Some(ManifestReason::AlreadyConverted))
}

/// Describes why no manifest is to be indexed. Returns the reasons, and what the user can do.
fn describe_manifests(document: &Document) -> (String, Option<String>) {
    let reasons = count_each(document.manifests.iter().filter_map(skip_reason));
    let cause = match reasons.as_slice() {
        [] => "the image index lists no manifest".to_owned(),
        reasons => format!("no manifest is to be indexed: {}", list_reasons(reasons)),
    };
    let cures = list_cures(reasons.iter().map(|(reason, _)| reason.explain()));
    (format!("unchanged: {cause}"), cures)
}

/// Returns the reason for which the plan skips a manifest.
fn skip_reason(entry: &ManifestEntry) -> Option<ManifestReason> {
    match entry.plan {
        Some(ManifestDecision::Skip { reason }) => reason,
        _ => None,
    }
}

/// Describes why no layer of the planned manifests is to be indexed. Returns the reasons with the
/// number and size of the layers, and what the user can do.
fn describe_layers(document: &Document) -> (String, Option<String>) {
    let skipped = Summary::of(document).skipped;
    let reasons: Vec<String> = skipped.iter().map(describe_group).collect();
    let cause = match reasons.as_slice() {
        [] => "the image has no layers".to_owned(),
        reasons => reasons.join(", "),
    };
    let cures = list_cures(skipped.iter().map(|group| group.reason.explain()));
    (format!("no layer is to be indexed: {cause}"), cures)
}

/// Formats a reason and its layers, such as `unsupported-compression (2 layers, 30 MiB, zstd)`.
fn describe_group(group: &SkippedLayers) -> String {
    let SkippedLayers {
        reason,
        compressions,
        layers,
    } = group;
    let mut details = vec![layers.count_layers(), HumanSize(layers.bytes).to_string()];
    details.extend(compressions.iter().cloned());
    format!("{reason} ({})", details.join(", "))
}

/// Counts how often each reason occurs, in the order in which they occur first.
fn count_each<R: PartialEq>(reasons: impl Iterator<Item = R>) -> Vec<(R, usize)> {
    let mut counts: Vec<(R, usize)> = Vec::new();
    for reason in reasons {
        match counts.iter_mut().find(|(counted, _)| *counted == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((reason, 1)),
        }
    }
    counts
}

/// Formats reasons, such as `platform (3), attestation (1)`.
fn list_reasons<R: Display>(reasons: &[(R, usize)]) -> String {
    let reasons = reasons
        .iter()
        .map(|(reason, count)| format!("{reason} ({count})"));
    reasons.collect::<Vec<_>>().join(", ")
}

/// Joins the cures of several reasons. Returns `None` if there is nothing to do.
fn list_cures(explanations: impl Iterator<Item = Explanation>) -> Option<String> {
    let cures: Vec<&str> = explanations
        .filter(Explanation::is_curable)
        .map(|explanation| explanation.cure)
        .collect();
    (!cures.is_empty()).then(|| cures.join("; "))
}
