//! The decisions: which manifests and layers of an image are indexed.

use soci_cli::Failure;
use soci_document::{
    Document, Exit, LayerDecision, LayerEntry, LayerReason, ManifestDecision, ManifestEntry,
    ManifestReason, Plan,
};
use soci_oci::layer::{LayerCompression, is_layer};
use soci_oci::media_type::{is_image_config, is_index, is_manifest, is_soci_index};
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
        let decision = decide_manifest(entry, platform, &request.plan);
        let is_planned = matches!(decision, ManifestDecision::Index { .. });
        for layer in &mut entry.layers {
            layer.plan = is_planned.then(|| decide_layer(layer, &request.plan));
        }
        entry.plan = Some(decision);
    }
    document.unchanged = !document.has_planned_manifests();
    document.plan = Some(request.plan.clone());
    Ok(())
}

/// Decides what is done with a manifest, which was chosen for `platform` if that is given.
fn decide_manifest(
    entry: &ManifestEntry,
    platform: Option<Platform>,
    plan: &Plan,
) -> ManifestDecision {
    let reason = match platform {
        Some(_) if is_converted(entry, plan) => ManifestReason::AlreadyConverted,
        Some(platform) => {
            return ManifestDecision::Index {
                platform: Some(platform),
            };
        }
        None => find_obstacle(entry).unwrap_or(ManifestReason::Platform),
    };
    ManifestDecision::Skip {
        reason: Some(reason),
    }
}

/// Returns whether a manifest is converted already. If its SOCI index may be that of its base
/// image, it must have a ztoc for each layer that the plan would index.
fn is_converted(entry: &ManifestEntry, plan: &Plan) -> bool {
    let mut layers = entry.layers.iter();
    let is_lacking = |layer: &LayerEntry| {
        layer.covered == Some(false) && find_layer_obstacle(layer, plan).is_none()
    };
    entry.soci_index.is_some() && !layers.any(is_lacking)
}

/// Chooses the first manifest that matches each of `platforms`. Returns, for each manifest, the
/// platform that it was chosen for; if several match, the first of them. If no manifest is that of
/// an image, there is nothing to choose from, which is no error.
fn choose_platforms(
    manifests: &[ManifestEntry],
    platforms: &[Platform],
) -> Result<Vec<Option<Platform>>, Failure> {
    let mut chosen = vec![None; manifests.len()];
    if !manifests.iter().any(may_be_image) {
        return Ok(chosen);
    }
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

/// Returns whether a manifest is that of an image, whether or not the source holds it.
fn may_be_image(entry: &ManifestEntry) -> bool {
    matches!(find_obstacle(entry), None | Some(ManifestReason::Missing))
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
    let media_type = entry.descriptor.media_type.as_str();
    // A manifest without a configuration is an image that was not fetched, unless it says that it
    // is an artifact. A nested index has an entry of its own only if it was not fetched.
    let is_image = (is_manifest(media_type) || is_index(media_type))
        && config_type.map_or(artifact_type.is_none(), is_image_config)
        && !is_artifact_of_image_type(entry);
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

/// Returns whether a manifest is that of an artifact, although its configuration is that of an
/// image: no layer is a layer of a file system, and the configuration names no platform. The
/// signatures of cosign are such manifests.
fn is_artifact_of_image_type(entry: &ManifestEntry) -> bool {
    let mut layers = entry.layers.iter();
    !layers.any(|layer| is_layer(&layer.descriptor.media_type))
        && !entry.layers.is_empty()
        && entry.platform().is_some_and(is_unnamed)
}

/// Returns whether a platform names neither an operating system nor an architecture, as that of a
/// configuration without these fields.
fn is_unnamed(platform: &Platform) -> bool {
    platform.os.is_empty() && platform.architecture.is_empty()
}

/// Returns the error for a platform that no manifest matches.
fn no_such_platform(manifests: &[ManifestEntry], platform: &Platform) -> Failure {
    let mut offered: Vec<String> = manifests
        .iter()
        .filter(|entry| may_be_image(entry))
        .filter_map(ManifestEntry::platform)
        .filter(|platform| !is_unnamed(platform))
        .map(ToString::to_string)
        .collect();
    offered.dedup();
    if offered.is_empty() {
        return Failure::message(
            Exit::NothingMatches,
            format_args!("no manifest for platform {platform}; the image names no platform, neither in its index nor in its configuration"),
        )
        .hint("index it with --all-platforms, or build it again for a platform");
    }
    let offered = offered.join(", ");
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
    let message = format_args!("manifest `{digest}` for platform {platform} {problem}");
    Err(Failure {
        hint: hint.map(str::to_owned),
        ..Failure::message(Exit::NothingMatches, message)
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
    match LayerCompression::of(media_type) {
        LayerCompression::Encrypted => Some(LayerReason::Encrypted),
        LayerCompression::Unsupported => Some(LayerReason::UnsupportedCompression),
        LayerCompression::Unknown => Some(LayerReason::UnknownMediaType),
        LayerCompression::Gzip | LayerCompression::Tar => {
            let is_small = layer.descriptor.size < plan.min_layer_size;
            is_small.then_some(LayerReason::BelowMinLayerSize)
        }
    }
}

#[cfg(test)]
mod tests;
