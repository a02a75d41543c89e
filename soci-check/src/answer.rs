//! The result of a check: the verdict, and the answer whether the tag starts lazily on Fargate.

use soci_document::{
    CheckedManifest, FargateAnswer, Finding, IndexVersion, LayerCoverage, Verdict,
};

use crate::surroundings::{RegistryKind, has_version, is_on_fargate};
use crate::tag::CheckedTag;

/// The share of bytes, in percent, from which an image counts as lazy as a whole.
const MOST: u64 = 50;

/// The result for one tag.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) fargate: FargateAnswer,
    /// The answer in words.
    pub(crate) text: String,
}

/// What the answer for a tag depends on, besides its layers.
pub(crate) struct Circumstances<'a> {
    pub(crate) registry: &'a RegistryKind,
    /// How many errors there are.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) first_error: Option<&'a Finding>,
    /// The first layer compressed with zstd.
    pub(crate) zstd: Option<&'a Finding>,
}

/// Returns the result for a tag.
pub(crate) fn answer(tag: &CheckedTag, circumstances: &Circumstances<'_>) -> Answer {
    let verdict = judge(tag, circumstances);
    let possible = answer_by_content(tag, circumstances);
    let is_elsewhere = matches!(circumstances.registry, RegistryKind::Other(_));
    let fargate = if verdict == Verdict::Broken || is_elsewhere {
        FargateAnswer::No
    } else {
        possible
    };
    let text = describe(tag, circumstances, fargate, possible);
    Answer {
        verdict,
        fargate,
        text,
    }
}

fn judge(tag: &CheckedTag, circumstances: &Circumstances<'_>) -> Verdict {
    let is_lazy = |manifest: &CheckedManifest| {
        manifest.layers.lazy > 0 && has_version(manifest, IndexVersion::V2)
    };
    if circumstances.errors > 0 {
        Verdict::Broken
    } else if tag.layers.lazy == 0 {
        Verdict::NotLazy
    } else if tag.manifests.iter().all(is_lazy) && tag.layers.percent() >= MOST {
        Verdict::Lazy
    } else {
        Verdict::Partly
    }
}

/// Returns the answer for Fargate if the image were in the right registry and without errors.
fn answer_by_content(tag: &CheckedTag, circumstances: &Circumstances<'_>) -> FargateAnswer {
    let manifests = || {
        let manifests = tag.manifests.iter();
        manifests.filter(|manifest| is_on_fargate(manifest.platform.as_ref()))
    };
    let is_lazy = |manifest: &&CheckedManifest| manifest.layers.lazy > 0;
    let is_version_2 = |manifest: &&CheckedManifest| {
        manifest.layers.lazy > 0 && has_version(manifest, IndexVersion::V2)
    };
    let lazy = manifests().filter(is_version_2).count();
    if lazy == 0 {
        return if manifests().any(|manifest| is_lazy(&manifest)) {
            FargateAnswer::Version1Only
        } else {
            FargateAnswer::No
        };
    }
    let is_whole =
        lazy == manifests().count() && circumstances.zstd.is_none() && tag.layers.percent() >= MOST;
    if is_whole {
        FargateAnswer::Yes
    } else {
        FargateAnswer::Partly
    }
}

/// Returns the answer in words, such as `yes, the tag starts lazily on Fargate: 4 of 6 layers, 86 %
/// of bytes lazy`.
fn describe(
    tag: &CheckedTag,
    circumstances: &Circumstances<'_>,
    fargate: FargateAnswer,
    possible: FargateAnswer,
) -> String {
    let layers = describe_layers(&tag.layers);
    if let Some(error) = circumstances.first_error {
        let count = match circumstances.errors {
            1 => "1 error".to_owned(),
            errors => format!("{errors} errors"),
        };
        return format!(
            "no, the tag does not start lazily on Fargate: {count}, {}: {}",
            error.rule, error.message
        );
    }
    let condition = match circumstances.registry {
        RegistryKind::Layout => " once it is in a private repository of Amazon ECR",
        RegistryKind::Ecr | RegistryKind::Other(_) => "",
    };
    match (fargate, circumstances.registry) {
        (FargateAnswer::No, RegistryKind::Other(host)) if possible != FargateAnswer::No => format!(
            "no, Fargate loads images lazily only from private repositories of Amazon ECR, not from {host}; other readers: {layers}"
        ),
        (FargateAnswer::Yes, _) => {
            format!("yes, the tag starts lazily on Fargate{condition}: {layers}")
        }
        (FargateAnswer::Partly, _) => format!(
            "in part, the tag starts lazily on Fargate{condition}: {layers}{}",
            list_platforms(tag)
        ),
        (FargateAnswer::Version1Only, _) => format!(
            "only in AWS accounts that used SOCI before version 2, the tag starts lazily on Fargate{condition}: {layers}"
        ),
        (FargateAnswer::No, _) => {
            format!(
                "no, the tag does not start lazily on Fargate: {}",
                describe_lack(tag)
            )
        }
    }
}

/// Describes the layers, such as `4 of 6 layers, 86 % of bytes lazy`.
pub(crate) fn describe_layers(layers: &LayerCoverage) -> String {
    let plural = if layers.count == 1 { "" } else { "s" };
    format!(
        "{} of {} layer{plural}, {} % of bytes lazy",
        layers.lazy,
        layers.count,
        layers.percent()
    )
}

/// Names the platforms that are lazy, if not all are.
fn list_platforms(tag: &CheckedTag) -> String {
    let names = |is_lazy: bool| {
        let manifests = tag.manifests.iter();
        let manifests = manifests.filter(|manifest| (manifest.layers.lazy > 0) == is_lazy);
        let names = manifests.filter_map(|manifest| manifest.platform.as_ref());
        names
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (lazy, other) = (names(true), names(false));
    if lazy.is_empty() || other.is_empty() {
        return String::new();
    }
    format!(" (on {lazy}, not on {other})")
}

/// Describes why no layer is lazy although there is no error.
fn describe_lack(tag: &CheckedTag) -> String {
    if tag.manifests.is_empty() {
        "it names no image".to_owned()
    } else if tag
        .manifests
        .iter()
        .all(|manifest| manifest.indexes.is_empty())
    {
        "it has no SOCI index".to_owned()
    } else if tag.layers.lazy == 0 {
        "no layer has a usable ztoc".to_owned()
    } else {
        "it is for no platform of Fargate".to_owned()
    }
}

#[cfg(test)]
mod tests;
