//! Compares a converted image with the image that it was made from.

use std::collections::BTreeSet;

use soci_oci::convert::is_soci_entry;
use soci_oci::soci::INDEX_DIGEST;
use soci_oci::{Descriptor, Digest, Manifest, Platform};

use crate::findings::Findings;
use crate::image::{Image, ImageManifest};
use crate::rule::Rule;
use crate::rules::original::{DIFFERS, LOST, STALE};

/// What is known of the image that a converted image was made from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin<'a> {
    /// It was made from exactly this image, so that each difference is a fault. The manifests that
    /// the source of the original does not hold are left out of a converted image.
    Known(&'a BTreeSet<Digest>),
    /// The tag without `-soci` names this image now. It may have been moved since.
    Tag,
}

/// Compares a converted image with its original.
pub(crate) fn compare(
    original: &Image,
    converted: &Image,
    origin: Origin<'_>,
    findings: &mut Findings,
) {
    let (differs, lost, missing) = match origin {
        Origin::Known(missing) => (DIFFERS, LOST, Some(missing)),
        Origin::Tag => (STALE, STALE, None),
    };
    let mut unmatched: Vec<&ImageManifest> = original.manifests.iter().collect();
    for image in &converted.manifests {
        let is_same = |other: &&ImageManifest| {
            is_same_platform(other.platform.as_ref(), image.platform.as_ref())
        };
        if let Some(position) = unmatched.iter().position(is_same) {
            let other = unmatched.remove(position);
            compare_manifests(other, image, differs, findings);
        } else {
            let what = format!(
                "manifest `{}` for {} is not in image `{}`",
                image.descriptor.digest,
                name(image.platform.as_ref()),
                original.root.digest
            );
            findings.add(differs.found(what).in_manifest(image.descriptor.digest));
        }
    }
    let mut lost_entries: Vec<&Descriptor> = unmatched.iter().map(|m| &m.descriptor).collect();
    lost_entries.extend(find_lost(original, converted));
    for entry in lost_entries {
        if missing.is_none_or(|missing| !missing.contains(&entry.digest)) {
            let what = format!(
                "the converted image `{}` has nothing for manifest `{}`",
                converted.root.digest, entry.digest
            );
            findings.add(lost.found(what).in_manifest(entry.digest));
        }
    }
}

/// Compares two manifests of one platform. Only the annotation that names the SOCI index and the
/// media types of the manifest and the configuration may differ.
fn compare_manifests(
    original: &ImageManifest,
    converted: &ImageManifest,
    rule: &'static Rule,
    findings: &mut Findings,
) {
    let (old, new) = (&original.manifest, &converted.manifest);
    let content = |manifest: &Manifest| {
        let config = manifest.config.as_ref();
        config.map(|config| (config.digest, config.size))
    };
    let annotations = |manifest: &Manifest| {
        let mut annotations = manifest.annotations.clone();
        annotations.remove(INDEX_DIGEST);
        annotations
    };
    for (field, differs) in [
        ("layers", old.layers() != new.layers()),
        ("config", content(old) != content(new)),
        ("annotations", annotations(old) != annotations(new)),
        ("subject", old.subject != new.subject),
        ("artifactType", old.artifact_type != new.artifact_type),
    ] {
        if differs {
            let own = converted.descriptor.digest;
            let what = format!(
                "`{field}` of manifest `{own}` differs from that of manifest `{}`",
                original.descriptor.digest
            );
            findings.add(rule.found(what).in_manifest(own));
        }
    }
}

/// Returns the entries of the original that are no images to check, and for which the converted
/// image has none.
fn find_lost<'a>(original: &'a Image, converted: &Image) -> Vec<&'a Descriptor> {
    let mut left: Vec<&Descriptor> = converted.others.iter().collect();
    let mut lost = Vec::new();
    for entry in &original.others {
        if is_soci_entry(entry, None) {
            continue;
        }
        let is_same = |other: &&Descriptor| {
            other.digest == entry.digest
                || !is_soci_entry(other, None)
                    && is_same_platform(other.platform.as_ref(), entry.platform.as_ref())
        };
        match left.iter().position(is_same) {
            Some(position) => drop(left.remove(position)),
            None => lost.push(entry),
        }
    }
    lost
}

fn is_same_platform(one: Option<&Platform>, other: Option<&Platform>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.matches(other) && other.matches(one),
        (None, None) => true,
        _ => false,
    }
}

fn name(platform: Option<&Platform>) -> String {
    platform.map_or_else(|| "no platform".to_owned(), ToString::to_string)
}
