//! The section of one image.

use std::fmt::{self, Write as _};

use soci_document::HumanSize;

use super::escape::{Code, Message, Plain, is_simple};
use super::{sign, write_reasons, write_rest};
use crate::report::{Deployment, ImageReport, LayerReport, ManifestReport, SkippedManifest};
use crate::wording;

/// The most layers of a manifest that have a row.
const MAX_ROWS: usize = 150;

/// The most manifests of an image that have a table.
const MAX_MANIFESTS: usize = 30;

/// Writes the section of an image.
pub(super) fn write(out: &mut String, image: &ImageReport) -> fmt::Result {
    let (sign, name) = (sign(image.state), Code(&image.name));
    writeln!(out, "\n### {sign} {name}")?;
    write_deployment(out, &image.deployment)?;
    write_reasons(out, &image.reasons)?;
    for manifest in image.manifests.iter().take(MAX_MANIFESTS) {
        write_manifest(out, manifest)?;
    }
    let rest = image.manifests.len().saturating_sub(MAX_MANIFESTS);
    write_rest(out, rest, "manifest")?;
    write_skipped_manifests(out, &image.skipped_manifests)?;
    let times: Vec<String> = image.times.iter().map(wording::stage_time).collect();
    if !times.is_empty() {
        writeln!(out, "\nTime: {}", Plain(&times.join(", ")))?;
    }
    if let Some(push) = &image.push {
        let transfer = wording::transfer(push);
        writeln!(out, "\nPush: {transfer}")?;
    }
    Ok(())
}

fn write_deployment(out: &mut String, deployment: &Deployment) -> fmt::Result {
    let Deployment { references, note } = deployment;
    if references.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n**Deploy** ({}):\n", Plain(note))?;
    // GitHub shows a button that copies a block.
    if references.iter().all(|reference| is_simple(reference)) {
        return writeln!(out, "```\n{}\n```", references.join("\n"));
    }
    for reference in references {
        writeln!(out, "- {}", Code(reference))?;
    }
    Ok(())
}

fn write_manifest(out: &mut String, manifest: &ManifestReport) -> fmt::Result {
    let kinds = manifest.kinds();
    let platform = Plain(&manifest.platform);
    let coverage = wording::coverage(kinds.covered(), kinds.all);
    writeln!(
        out,
        "\n<details><summary>{platform}: {coverage}</summary>\n"
    )?;
    out.write_str(
        "| # | layer | size | ztoc | spans | outcome |\n|---:|---|---:|---:|---:|---|\n",
    )?;
    let layers = manifest.layers.iter().take(MAX_ROWS);
    for (position, layer) in layers.enumerate() {
        write_layer(out, layer, position + 1)?;
    }
    let rest = manifest.layers.len().saturating_sub(MAX_ROWS);
    write_rest(out, rest, "layer")?;
    for index in &manifest.indexes {
        writeln!(
            out,
            "\nSOCI index {}: {}",
            index.version,
            Code(&index.digest)
        )?;
    }
    out.write_str("\n</details>\n")
}

fn write_layer(out: &mut String, layer: &LayerReport, number: usize) -> fmt::Result {
    writeln!(
        out,
        "| {number} | {} | {} | {} | {} | {} |",
        Code(&layer.short_digest),
        HumanSize(layer.size),
        wording::ztoc(layer),
        wording::spans(layer),
        Plain(&layer.outcome())
    )
}

fn write_skipped_manifests(out: &mut String, manifests: &[SkippedManifest]) -> fmt::Result {
    if manifests.is_empty() {
        return Ok(());
    }
    out.write_str("\nManifests without an index:\n\n")?;
    for manifest in manifests.iter().take(MAX_MANIFESTS) {
        write!(out, "- {}", Plain(&manifest.name()))?;
        if let Some(reason) = manifest.reason {
            let explanation = reason.explain();
            write!(
                out,
                ": {}: {}",
                Plain(&reason.to_string()),
                Message(explanation.cause)
            )?;
            if explanation.is_curable() {
                write!(out, "; {}", Message(explanation.cure))?;
            }
        }
        writeln!(out)?;
    }
    let rest = manifests.len().saturating_sub(MAX_MANIFESTS);
    write_rest(out, rest, "manifest")
}
