//! The report as Markdown, for the step summary of GitHub Actions.

mod escape;
mod image;

use std::fmt::{self, Write as _};

use soci_document::{HumanSize, SkippedLayers};

use crate::report::{FailureReport, ImageReport, Report, State};
use crate::wording;
use escape::{Code, Message, Plain};

/// The most bytes of a report. GitHub rejects the summary of a step above 1 MiB, and a step may
/// write more into it than this report.
const MAX_REPORT: usize = 900_000;

/// The most bytes of a report before the sections of single images.
const MAX_OVERVIEW: usize = 400_000;

/// Writes the report as Markdown.
pub(crate) fn write(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "## SOCI: {}\n", Plain(&report.headline()))?;
    write_images(out, report)?;
    write_failures(out, report)?;
    write_sections(out, report)
}

/// Writes the table of images. Those that failed come first.
fn write_images(out: &mut String, report: &Report) -> fmt::Result {
    out.write_str(
        "| image | state | layers | indexed | ztocs | time |\n|---|---|---:|---:|---:|---:|\n",
    )?;
    let mut images: Vec<&ImageReport> = report.images.iter().collect();
    images.sort_by_key(|image| image.failure.is_none());
    let mut images = images.into_iter();
    while out.len() < MAX_OVERVIEW / 2
        && let Some(image) = images.next()
    {
        write_image_row(out, image)?;
    }
    write_rest(out, images.len(), "image")
}

fn write_image_row(out: &mut String, image: &ImageReport) -> fmt::Result {
    let (name, state) = (Code(&image.name), image.state.name());
    write!(out, "| {name} | {} {state} ", sign(image.state))?;
    let totals = &image.totals;
    if totals.all.count == 0 {
        out.write_str("| | ")?;
    } else {
        write!(
            out,
            "| {} | {} ({}) ",
            wording::counts(totals.covered, totals.all),
            wording::sizes(totals.covered, totals.all),
            wording::share(totals.covered, totals.all)
        )?;
    }
    let ztocs = wording::ztocs(totals);
    writeln!(out, "| {ztocs} | {} |", wording::total_time(image))
}

/// Returns the sign of a state.
const fn sign(state: State) -> &'static str {
    match state {
        State::Failed => "❌",
        State::PartlyPushed => "⚠️",
        State::Pushed => "✅",
        State::DryRun | State::Unchanged => "➖",
        State::Indexed | State::Planned | State::Pulled => "➡️",
    }
}

/// Writes how many images or layers are left out of a table or a list.
fn write_rest(out: &mut String, count: usize, noun: &str) -> fmt::Result {
    match count {
        0 => Ok(()),
        1 => writeln!(out, "\n… and 1 more {noun}."),
        _ => writeln!(out, "\n… and {count} more {noun}s."),
    }
}

/// Writes the failures of all images.
fn write_failures(out: &mut String, report: &Report) -> fmt::Result {
    let mut failed: Vec<&ImageReport> = report.failed().map(|(_, image)| image).collect();
    if failed.is_empty() {
        return Ok(());
    }
    out.write_str("\n### Failures\n\n")?;
    let mut rest = failed.drain(..);
    while out.len() < MAX_OVERVIEW
        && let Some(image) = rest.next()
    {
        if let Some(failure) = &image.failure {
            write!(out, "- {}: ", Code(&image.name))?;
            write_failure(out, failure)?;
        }
    }
    write_rest(out, rest.len(), "failed image")
}

fn write_failure(out: &mut String, failure: &FailureReport) -> fmt::Result {
    let FailureReport {
        stage,
        exit,
        message,
        hint,
    } = failure;
    let (stage, message) = (Code(stage), Message(message));
    write!(out, "{stage}: {message} (status {exit})")?;
    match hint {
        Some(hint) => writeln!(out, "  \n  **To do:** {}", Message(hint)),
        None => writeln!(out),
    }
}

/// Writes a section for each image that did not fail as a whole, as many as fit.
fn write_sections(out: &mut String, report: &Report) -> fmt::Result {
    let images = report.images.iter();
    let mut images = images.filter(|image| image.state != State::Failed || image.digest.is_some());
    let mut left_out = 0;
    for image in images.by_ref() {
        let mut section = String::new();
        image::write(&mut section, image)?;
        if out.len() + section.len() > MAX_REPORT {
            left_out += 1;
        } else {
            out.write_str(&section)?;
        }
    }
    match left_out {
        0 => Ok(()),
        1 => out.write_str(
            "\n… the details of 1 image are left out, because GitHub limits a summary to 1 MiB.\n",
        ),
        count => writeln!(
            out,
            "\n… the details of {count} images are left out, because GitHub limits a summary to 1 MiB."
        ),
    }
}

/// Writes why layers have no ztoc, and what makes them indexable.
fn write_reasons(out: &mut String, reasons: &[SkippedLayers]) -> fmt::Result {
    if reasons.is_empty() {
        return Ok(());
    }
    out.write_str(
        "\n| without a ztoc | layers | size | cause | cure |\n|---|---:|---:|---|---|\n",
    )?;
    for group in reasons {
        let explanation = group.reason.explain();
        let cure = if explanation.is_curable() {
            Message(explanation.cure).to_string()
        } else {
            wording::NONE.to_owned()
        };
        writeln!(
            out,
            "| {} | {} | {} | {} | {cure} |",
            Plain(&group.to_string()),
            group.layers.count,
            HumanSize(group.layers.bytes),
            Message(explanation.cause),
        )?;
    }
    Ok(())
}
