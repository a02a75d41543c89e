//! The report as text, for a terminal or a log.

use std::fmt::{self, Write as _};

use soci_document::{Explanation, HumanSize};

use crate::report::{FailureReport, ImageReport, Kind, LayerReport, ManifestReport, Report};
use crate::wording;

/// Writes the report as text.
pub(crate) fn write(out: &mut String, report: &Report) -> fmt::Result {
    if report.images.len() > 1 {
        let totals = report.totals();
        writeln!(out, "{}", report.headline())?;
        if totals.all.count > 0 {
            let coverage = wording::coverage(totals.covered, totals.all);
            writeln!(out, "  {coverage}, ztocs {}", wording::ztocs(&totals))?;
        }
        writeln!(out)?;
    }
    for (position, image) in report.images.iter().enumerate() {
        if position > 0 {
            writeln!(out)?;
        }
        write_image(out, image)?;
    }
    Ok(())
}

fn write_image(out: &mut String, image: &ImageReport) -> fmt::Result {
    writeln!(out, "{}: {}", image.name, image.state.name())?;
    if let Some(failure) = &image.failure {
        write_failure(out, failure)?;
    }
    let deployment = &image.deployment;
    for reference in &deployment.references {
        write_field(out, "deploy", reference)?;
    }
    if !deployment.references.is_empty() {
        write_field(out, "", deployment.note)?;
    }
    let totals = &image.totals;
    if totals.all.count > 0 {
        write_field(
            out,
            "layers",
            &wording::coverage(totals.covered, totals.all),
        )?;
        if totals.ztocs > 0 {
            write_field(out, "ztocs", &wording::ztocs(totals))?;
        }
        if totals.reused.count > 0 {
            let reused = wording::layers(totals.reused.count);
            let size = HumanSize(totals.reused.bytes);
            write_field(out, "reused", &format!("{reused}, {size}"))?;
        }
    }
    if let Some(push) = &image.push {
        write_field(out, "push", &wording::transfer(push))?;
    }
    let times: Vec<String> = image.times.iter().map(wording::stage_time).collect();
    if !times.is_empty() {
        write_field(out, "time", &times.join(", "))?;
    }
    for group in &image.reasons {
        let kind = Kind::of_skipped(group.reason).name();
        let size = HumanSize(group.layers.bytes);
        let layers = wording::layers(group.layers.count);
        write_field(out, kind, &format!("{layers}, {size}: {group}"))?;
        let label = wording::cure_label(group.reason);
        write_explanation(out, label, group.reason.explain())?;
    }
    for manifest in &image.skipped_manifests {
        let platform = &manifest.name();
        let Some(reason) = manifest.reason else {
            write_field(out, "no index", platform)?;
            continue;
        };
        write_field(out, "no index", &format!("{platform}: {reason}"))?;
        write_explanation(out, "To index it", reason.explain())?;
    }
    for manifest in &image.manifests {
        writeln!(out)?;
        write_manifest(out, manifest)?;
    }
    Ok(())
}

/// Writes a cause, and its cure if there is anything to do.
fn write_explanation(out: &mut String, label: &str, explanation: Explanation) -> fmt::Result {
    let Explanation { cause, cure } = explanation;
    write_field(out, "", cause)?;
    if explanation.is_curable() {
        write_field(out, "", &format!("{label}: {cure}"))?;
    }
    Ok(())
}

fn write_field(out: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "  {name:<10}{value}")
}

fn write_failure(out: &mut String, failure: &FailureReport) -> fmt::Result {
    let FailureReport {
        stage,
        exit,
        message,
        hint,
    } = failure;
    write_field(out, "error", &format!("{stage}: {message} (status {exit})"))?;
    match hint {
        Some(hint) => write_field(out, "hint", hint),
        None => Ok(()),
    }
}

fn write_manifest(out: &mut String, manifest: &ManifestReport) -> fmt::Result {
    let ManifestReport {
        platform, layers, ..
    } = manifest;
    let kinds = manifest.kinds();
    let coverage = wording::coverage(kinds.covered(), kinds.all);
    writeln!(out, "  {platform}: {coverage}")?;
    for index in &manifest.indexes {
        writeln!(out, "    index {} {}", index.version, index.digest)?;
    }
    if layers.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "    {:>3}  {:<12}  {:>9}  {:<BAR$}  {:>9}  {:>7}  outcome",
        "#", "layer", "size", "", "ztoc", "spans"
    )?;
    let largest = manifest.largest_layer();
    for (position, layer) in layers.iter().enumerate() {
        writeln!(
            out,
            "    {:>3}  {:<12}  {:>9}  {}  {:>9}  {:>7}  {}",
            position + 1,
            layer.short_digest,
            HumanSize(layer.size).to_string(),
            draw_bar(layer, largest),
            wording::ztoc(layer),
            wording::spans(layer),
            layer.outcome()
        )?;
    }
    Ok(())
}

/// The width of the longest bar in characters.
const BAR: usize = 20;

/// Draws the size of a layer, to the scale at which the largest one has the longest bar.
fn draw_bar(layer: &LayerReport, largest: u64) -> String {
    let block = match layer.kind {
        Kind::Indexed => '█',
        Kind::Reused => '▓',
        Kind::Planned => '▒',
        Kind::LeftOut | Kind::Skipped | Kind::Undecided => '░',
    };
    let bar: String = std::iter::repeat_n(block, scale(layer.size, largest)).collect();
    format!("{bar:<BAR$}")
}

/// Returns the length of a bar, which is at least 1 for a layer that is not empty.
fn scale(size: u64, largest: u64) -> usize {
    let length = (u128::from(size) * BAR as u128).div_ceil(u128::from(largest.max(1)));
    usize::try_from(length).map_or(BAR, |length| length.min(BAR))
}
