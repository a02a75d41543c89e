//! The decisions: which manifests and layers of an image are indexed.

use soci_cli::Failure;
use soci_document::{
    Document, Exit, LayerDecision, LayerEntry, LayerReason, ManifestDecision, ManifestEntry,
    ManifestReason, Plan,
};
use soci_oci::layer::{LayerCompression, is_layer};
use soci_oci::media_type::{is_image_config, is_manifest, is_soci_index};
use soci_oci::{Platform, convert};

/// What the command line asks for, the same for every document.
pub(crate) struct PlanRequest {
    /// The plan that is written into the document.
    pub(crate) plan: Plan,
    /// The platforms to index, or `None` for all platforms of the image.
    pub(crate) platforms: Option<Vec<Platform>>,
}

/// Writes the plan, and a decision for each manifest and layer, into a document. Decisions of an
/// earlier run are replaced.
pub(crate) fn plan_document(document: &mut Document, request: &PlanRequest) -> Result<(), Failure> {
    let manifests = &mut document.manifests;
    let chosen = match &request.platforms {
        Some(platforms) => choose_platforms(manifests, platforms)?,
        None => choose_all(manifests),
    };
    for (entry, platform) in manifests.iter_mut().zip(chosen) {
        for layer in &mut entry.layers {
            layer.plan = platform
                .is_some()
                .then(|| decide_layer(layer, &request.plan));
        }
        entry.plan = Some(match platform {
            Some(platform) => ManifestDecision::Index {
                platform: Some(platform),
            },
            None => ManifestDecision::Skip {
                reason: Some(find_obstacle(entry).unwrap_or(ManifestReason::Platform)),
            },
        });
    }
    document.plan = Some(request.plan.clone());
    Ok(())
}

/// Chooses the first manifest that matches each of `platforms`. Returns, for each manifest, the
/// platform that it was chosen for; if several match, the first of them.
fn choose_platforms(
    manifests: &[ManifestEntry],
    platforms: &[Platform],
) -> Result<Vec<Option<Platform>>, Failure> {
    let mut chosen = vec![None; manifests.len()];
    for platform in platforms {
        let index = manifests
            .iter()
            .position(|entry| is_image_for(entry, platform))
            .ok_or_else(|| no_such_platform(manifests, platform))?;
        if chosen[index].is_none() {
            check_indexable(&manifests[index], platform)?;
            chosen[index] = Some(platform.clone());
        }
    }
    Ok(chosen)
}

/// Chooses every image whose platform is known. Returns, for each manifest, its platform if it was
/// chosen.
fn choose_all(manifests: &[ManifestEntry]) -> Vec<Option<Platform>> {
    manifests
        .iter()
        .map(|entry| match find_obstacle(entry) {
            None if entry.config.is_some() => entry.platform().cloned(),
            _ => None,
        })
        .collect()
}

/// Returns whether a manifest is listed for `platform` and is neither an attestation nor a SOCI
/// index, both of which may be listed for the platform of their image.
fn is_image_for(entry: &ManifestEntry, platform: &Platform) -> bool {
    let matches = entry
        .platform()
        .is_some_and(|offered| platform.matches(offered));
    matches
        && !matches!(
            find_obstacle(entry),
            Some(ManifestReason::AlreadyConverted | ManifestReason::Attestation)
        )
}

/// Returns why a manifest cannot be indexed, or `None` if it can be. Does not check whether its
/// platform was asked for, or whether its configuration was fetched.
fn find_obstacle(entry: &ManifestEntry) -> Option<ManifestReason> {
    let config_type = entry
        .config
        .as_ref()
        .map(|config| config.media_type.as_str());
    let artifact_type = entry
        .artifact_type
        .as_deref()
        .or(entry.descriptor.artifact_type.as_deref());
    // A manifest without a configuration is an image that was not fetched, unless it says that it
    // is an artifact.
    let is_image = is_manifest(&entry.descriptor.media_type)
        && config_type.map_or(artifact_type.is_none(), is_image_config);
    if artifact_type.is_some_and(is_soci_index) || config_type.is_some_and(is_soci_index) {
        Some(ManifestReason::AlreadyConverted)
    } else if convert::is_attestation(&entry.descriptor)
        || entry.platform().is_some_and(Platform::is_unknown)
    {
        Some(ManifestReason::Attestation)
    } else if entry.missing {
        Some(ManifestReason::Missing)
    } else if is_image {
        None
    } else {
        Some(ManifestReason::NotAnImage)
    }
}

/// Returns the error for a platform that no manifest matches.
fn no_such_platform(manifests: &[ManifestEntry], platform: &Platform) -> Failure {
    let mut offered: Vec<String> = manifests
        .iter()
        .filter_map(ManifestEntry::platform)
        .filter(|platform| !platform.is_unknown())
        .map(ToString::to_string)
        .collect();
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
    .hint("choose one of these with --platform, or all with --all-platforms")
}

/// Returns an error if the manifest for a platform that was asked for cannot be indexed.
fn check_indexable(entry: &ManifestEntry, platform: &Platform) -> Result<(), Failure> {
    let digest = entry.descriptor.digest;
    let (problem, hint) = match find_obstacle(entry) {
        None if entry.config.is_some() => return Ok(()),
        None => (
            "was not fetched, or its configuration is damaged",
            Some("give soci-pull the same --platform, or none"),
        ),
        Some(ManifestReason::Missing) => (
            "is listed in the image index, but the source does not hold it",
            None,
        ),
        Some(_) => ("is not an image", None),
    };
    let failure = Failure::message(
        Exit::NothingMatches,
        format_args!("manifest `{digest}` for platform {platform} {problem}"),
    );
    Err(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

/// Decides whether a layer of a chosen manifest is indexed.
fn decide_layer(layer: &LayerEntry, plan: &Plan) -> LayerDecision {
    match find_layer_obstacle(layer, plan) {
        Some(reason) => LayerDecision::Skip {
            reason: Some(reason),
        },
        None => LayerDecision::Index,
    }
}

/// Returns why a layer is not indexed, or `None` if it is.
fn find_layer_obstacle(layer: &LayerEntry, plan: &Plan) -> Option<LayerReason> {
    let media_type = layer.descriptor.media_type.as_str();
    if !is_layer(media_type) {
        return Some(LayerReason::UnknownMediaType);
    }
    if layer.held == Some(false) {
        return Some(LayerReason::Foreign);
    }
    if layer.descriptor.size < plan.min_layer_size {
        return Some(LayerReason::BelowMinLayerSize);
    }
    match LayerCompression::of(media_type) {
        LayerCompression::Gzip | LayerCompression::Tar => None,
        LayerCompression::Encrypted => Some(LayerReason::Encrypted),
        LayerCompression::Unsupported => Some(LayerReason::UnsupportedCompression),
        LayerCompression::Unknown => Some(LayerReason::UnknownMediaType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::{IndexVersions, UnknownFields};
    use soci_oci::Descriptor;
    use soci_oci::media_type::{OCI_CONFIG, OCI_MANIFEST};

    fn request(platforms: Option<&[&str]>) -> PlanRequest {
        let plan = Plan {
            platforms: Vec::new(),
            min_layer_size: 100,
            span_size: 4 << 20,
            index_version: IndexVersions::Both,
            optimizations: Vec::new(),
            prefetch_files: Vec::new(),
            reuse_from: Vec::new(),
            unknown_fields: UnknownFields::new(),
        };
        let parse = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.parse().expect("a platform"))
                .collect()
        };
        PlanRequest {
            plan,
            platforms: platforms.map(parse),
        }
    }

    fn manifest_entry(platform: &str, layers: &[(&str, u64)]) -> serde_json::Value {
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

    fn planned_platforms(document: &Document) -> Vec<Option<String>> {
        let platform = |entry: &ManifestEntry| match &entry.plan {
            Some(ManifestDecision::Index { platform }) => {
                platform.as_ref().map(ToString::to_string)
            }
            _ => None,
        };
        document.manifests.iter().map(platform).collect()
    }

    #[test]
    fn chooses_the_first_match_of_each_platform_once() {
        let mut document = document(&[
            manifest_entry("linux/amd64/v1", &[]),
            manifest_entry("linux/arm64", &[]),
            manifest_entry("linux/amd64", &[]),
        ]);
        plan_document(
            &mut document,
            &request(Some(&["linux/amd64", "linux/x86_64", "linux/arm64/v8"])),
        )
        .expect("planned");
        assert_eq!(
            planned_platforms(&document),
            [
                Some("linux/amd64".to_owned()),
                Some("linux/arm64/v8".to_owned()),
                None
            ]
        );
        plan_document(&mut document, &request(None)).expect("planned");
        assert_eq!(planned_platforms(&document).iter().flatten().count(), 3);
    }

    #[test]
    fn names_the_platforms_of_the_image_if_none_matches() {
        let mut document = document(&[
            manifest_entry("linux/arm64", &[]),
            manifest_entry("unknown/unknown", &[]),
        ]);
        let failure = plan_document(&mut document, &request(Some(&["linux/amd64"])))
            .expect_err("no such platform");
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
        let mut document = document(&[manifest_entry("linux/amd64", &layers)]);
        let elsewhere = LayerEntry {
            held: Some(false),
            ..document.manifests[0].layers[0].clone()
        };
        document.manifests[0].layers.push(elsewhere);
        plan_document(&mut document, &request(Some(&["linux/amd64"]))).expect("planned");
        let reason = |layer: &LayerEntry| match layer.plan.expect("a decision") {
            LayerDecision::Index => None,
            LayerDecision::Skip { reason } => reason,
        };
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
    fn rejects_a_platform_whose_manifest_is_missing() {
        let mut document = document(&[
            manifest_entry("linux/amd64", &[]),
            manifest_entry("linux/arm64", &[]),
        ]);
        document.manifests[0].missing = true;
        plan_document(&mut document, &request(None)).expect("the other manifest is planned");
        let missing = ManifestDecision::Skip {
            reason: Some(ManifestReason::Missing),
        };
        assert_eq!(document.manifests[0].plan, Some(missing));
        let failure =
            plan_document(&mut document, &request(Some(&["linux/amd64"]))).expect_err("missing");
        assert_eq!(failure.exit, Exit::NothingMatches);
    }
}
