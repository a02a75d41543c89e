//! The decisions.

use soci_cli::Failure;
use soci_document::{
    Action, Document, Exit, LayerDecision, LayerEntry, LayerReason, ManifestDecision,
    ManifestEntry, ManifestReason, Plan,
};
use soci_oci::layer::{Packing, is_layer};
use soci_oci::media_type::{is_image_config, is_manifest, is_soci_index};
use soci_oci::{Platform, convert};

/// What is asked for.
pub(crate) struct Request {
    /// The decisions that hold for the whole image.
    pub(crate) plan: Plan,
    /// The platforms to index; all of them where none are named.
    pub(crate) platforms: Option<Vec<Platform>>,
}

/// Decides on every manifest and layer of a document.
pub(crate) fn plan(document: &mut Document, request: &Request) -> Result<(), Failure> {
    let mut decisions: Vec<ManifestDecision> = document.manifests.iter().map(by_kind).collect();
    match &request.platforms {
        Some(platforms) => choose(document, platforms, &mut decisions)?,
        None => choose_all(document, &mut decisions),
    }
    for (entry, decision) in document.manifests.iter_mut().zip(decisions) {
        let planned = decision.action == Action::Index;
        entry.plan = Some(decision);
        for layer in &mut entry.layers {
            layer.plan = planned.then(|| judge(layer, &request.plan));
        }
    }
    document.plan = Some(request.plan.clone());
    Ok(())
}

/// Decides on a manifest by what it is: an image may be indexed, if its platform is asked for.
fn by_kind(entry: &ManifestEntry) -> ManifestDecision {
    let skip = |reason| ManifestDecision {
        action: Action::Skip,
        reason: Some(reason),
        platform: None,
    };
    let soci = |kind: Option<&str>| kind.is_some_and(is_soci_index);
    let config = entry
        .config
        .as_ref()
        .map(|config| config.media_type.as_str());
    let artifact = entry
        .artifact_type
        .as_deref()
        .or(entry.descriptor.artifact_type.as_deref());
    if soci(artifact) || soci(config) {
        skip(ManifestReason::AlreadyConverted)
    } else if convert::is_attestation(&entry.descriptor)
        || entry.platform().is_some_and(Platform::is_unknown)
    {
        skip(ManifestReason::Attestation)
    } else if entry.missing {
        skip(ManifestReason::Missing)
    } else if !is_manifest(&entry.descriptor.media_type)
        || config.map_or(artifact.is_some(), |config| !is_image_config(config))
    {
        skip(ManifestReason::NotAnImage)
    } else {
        skip(ManifestReason::Platform)
    }
}

/// Says whether a manifest is that of an image which the source holds.
fn may_be_indexed(entry: &ManifestEntry, decision: &ManifestDecision) -> bool {
    matches!(decision.reason, Some(ManifestReason::Platform)) && entry.config.is_some()
}

/// Chooses, for each platform that is asked for, the first manifest that matches.
fn choose(
    document: &Document,
    platforms: &[Platform],
    decisions: &mut [ManifestDecision],
) -> Result<(), Failure> {
    for platform in platforms {
        let matches = |entry: &ManifestEntry| {
            entry
                .platform()
                .is_some_and(|offered| platform.matches(offered))
        };
        let image = |(entry, decision): &(&ManifestEntry, &ManifestDecision)| {
            matches(entry)
                && !matches!(
                    decision.reason,
                    Some(ManifestReason::AlreadyConverted | ManifestReason::Attestation)
                )
        };
        let found = document
            .manifests
            .iter()
            .zip(decisions.iter())
            .position(|pair| image(&pair));
        let Some(at) = found else {
            return Err(no_such_platform(document, platform));
        };
        let (entry, decision) = (&document.manifests[at], &mut decisions[at]);
        if decision.action == Action::Index {
            continue;
        }
        if !may_be_indexed(entry, decision) {
            return Err(unusable(entry, decision, platform));
        }
        *decision = ManifestDecision {
            action: Action::Index,
            reason: None,
            platform: Some(platform.clone()),
        };
    }
    Ok(())
}

/// Chooses every image whose platform is known.
fn choose_all(document: &Document, decisions: &mut [ManifestDecision]) {
    for (entry, decision) in document.manifests.iter().zip(decisions) {
        if may_be_indexed(entry, decision) && entry.platform().is_some() {
            *decision = ManifestDecision {
                action: Action::Index,
                reason: None,
                platform: entry.platform().cloned(),
            };
        }
    }
}

/// Says that no manifest is for a platform, and which there are.
fn no_such_platform(document: &Document, platform: &Platform) -> Failure {
    let mut offered: Vec<String> = document
        .manifests
        .iter()
        .filter_map(ManifestEntry::platform)
        .map(ToString::to_string)
        .collect();
    offered.retain(|platform| !platform.contains("unknown"));
    offered.dedup();
    let offered = if offered.is_empty() {
        "no platform".to_owned()
    } else {
        offered.join(", ")
    };
    Failure::message(
        Exit::NothingMatches,
        format_args!("no manifest for platform {platform}; the image is for {offered}"),
    )
    .hint("choose one with --platform, or take --all-platforms")
}

/// Says why the manifest of a platform that was asked for cannot be indexed.
fn unusable(entry: &ManifestEntry, decision: &ManifestDecision, platform: &Platform) -> Failure {
    let digest = entry.descriptor.digest;
    match decision.reason {
        Some(ManifestReason::Missing) => Failure::message(
            Exit::NothingMatches,
            format_args!(
                "manifest `{digest}` for platform {platform} is listed, but the source does not hold it"
            ),
        ),
        Some(ManifestReason::Platform) => Failure::message(
            Exit::NothingMatches,
            format_args!("manifest `{digest}` for platform {platform} was not fetched, or its configuration is damaged"),
        )
        .hint("give soci-pull the same --platform, or none"),
        _ => Failure::message(
            Exit::NothingMatches,
            format_args!("manifest `{digest}` for platform {platform} is not an image"),
        ),
    }
}

/// Decides on a layer.
fn judge(layer: &LayerEntry, plan: &Plan) -> LayerDecision {
    let skip = |reason| LayerDecision {
        action: Action::Skip,
        reason: Some(reason),
    };
    let media_type = layer.descriptor.media_type.as_str();
    if !is_layer(media_type) {
        return skip(LayerReason::UnknownMediaType);
    }
    if layer.held == Some(false) {
        return skip(LayerReason::Foreign);
    }
    if layer.descriptor.size < plan.min_layer_size {
        return skip(LayerReason::BelowMinLayerSize);
    }
    match Packing::of(media_type) {
        Packing::Gzip | Packing::Tar => LayerDecision {
            action: Action::Index,
            reason: None,
        },
        Packing::Encrypted => skip(LayerReason::Encrypted),
        Packing::Unsupported => skip(LayerReason::UnsupportedCompression),
        Packing::Unknown => skip(LayerReason::UnknownMediaType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::{Extra, IndexVersions};
    use soci_oci::Descriptor;
    use soci_oci::media_type::{OCI_CONFIG, OCI_MANIFEST};

    fn request(platforms: Option<&[&str]>) -> Request {
        let plan = Plan {
            platforms: Vec::new(),
            min_layer_size: 100,
            span_size: 4 << 20,
            index_version: IndexVersions::Both,
            optimizations: Vec::new(),
            prefetch_files: Vec::new(),
            reuse_from: Vec::new(),
            extra: Extra::new(),
        };
        let parse = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.parse().expect("a platform"))
                .collect()
        };
        Request {
            plan,
            platforms: platforms.map(parse),
        }
    }

    fn entry(platform: &str, layers: &[(&str, u64)]) -> serde_json::Value {
        let (os, rest) = platform.split_once('/').expect("a platform");
        let (architecture, variant) = rest.split_once('/').unwrap_or((rest, ""));
        let mut descriptor = Descriptor::of(OCI_MANIFEST, platform.as_bytes());
        descriptor.platform = Some(Platform::new(os, architecture, variant));
        let layer = |(media_type, size): &(&str, u64)| serde_json::json!({"descriptor": Descriptor { size: *size, ..Descriptor::of(media_type, b"") }});
        let layers: Vec<_> = layers.iter().map(layer).collect();
        serde_json::json!({"descriptor": descriptor, "config": Descriptor::of(OCI_CONFIG, b"{}"), "layers": layers})
    }

    fn document(manifests: &[serde_json::Value]) -> Document {
        let root = Descriptor::of(OCI_MANIFEST, b"");
        let value =
            serde_json::json!({"version": 1, "image": "a", "root": root, "manifests": manifests});
        serde_json::from_value(value).expect("a document")
    }

    fn planned(document: &Document) -> Vec<Option<String>> {
        let platform = |entry: &ManifestEntry| {
            entry
                .plan
                .as_ref()
                .and_then(|plan| plan.platform.as_ref())
                .map(ToString::to_string)
        };
        document.manifests.iter().map(platform).collect()
    }

    #[test]
    fn takes_the_first_match_of_each_platform_once() {
        let mut document = document(&[
            entry("linux/amd64/v1", &[]),
            entry("linux/arm64", &[]),
            entry("linux/amd64", &[]),
        ]);
        plan(
            &mut document,
            &request(Some(&["linux/amd64", "linux/x86_64", "linux/arm64/v8"])),
        )
        .expect("planned");
        assert_eq!(
            planned(&document),
            [
                Some("linux/amd64".to_owned()),
                Some("linux/arm64/v8".to_owned()),
                None
            ]
        );
        plan(&mut document, &request(None)).expect("planned");
        assert_eq!(planned(&document).iter().flatten().count(), 3);
    }

    #[test]
    fn names_the_platforms_that_there_are() {
        let mut document = document(&[entry("linux/arm64", &[]), entry("unknown/unknown", &[])]);
        let failure =
            plan(&mut document, &request(Some(&["linux/amd64"]))).expect_err("no such platform");
        assert_eq!(failure.exit, Exit::NothingMatches);
        assert!(
            failure
                .error
                .to_string()
                .contains("the image is for linux/arm64"),
            "{}",
            failure.error
        );
    }

    #[test]
    fn gives_every_skipped_layer_its_reason() {
        let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers = [
            (gzip, 100),
            (gzip, 99),
            ("application/vnd.oci.image.layer.v1.tar+zstd", 100),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", 100),
            ("application/vnd.oci.image.layer.v2.tar", 100),
            ("application/vnd.in-toto+json", 1),
        ];
        let mut document = document(&[entry("linux/amd64", &layers)]);
        let elsewhere = LayerEntry {
            held: Some(false),
            ..document.manifests[0].layers[0].clone()
        };
        document.manifests[0].layers.push(elsewhere);
        plan(&mut document, &request(Some(&["linux/amd64"]))).expect("planned");
        let reason = |layer: &LayerEntry| layer.plan.as_ref().expect("a decision").reason;
        let reasons: Vec<_> = document.manifests[0].layers.iter().map(reason).collect();
        let expected = [
            None,
            Some(LayerReason::BelowMinLayerSize),
            Some(LayerReason::UnsupportedCompression),
            Some(LayerReason::Encrypted),
            Some(LayerReason::UnknownMediaType),
            Some(LayerReason::UnknownMediaType),
            Some(LayerReason::Foreign),
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn refuses_a_platform_that_the_source_does_not_hold() {
        let mut document = document(&[entry("linux/amd64", &[]), entry("linux/arm64", &[])]);
        document.manifests[0].missing = true;
        plan(&mut document, &request(None)).expect("the other one");
        assert_eq!(
            document.manifests[0]
                .plan
                .as_ref()
                .expect("a decision")
                .reason,
            Some(ManifestReason::Missing)
        );
        let failure = plan(&mut document, &request(Some(&["linux/amd64"]))).expect_err("missing");
        assert_eq!(failure.exit, Exit::NothingMatches);
    }
}
