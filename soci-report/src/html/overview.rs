//! The head of the page: totals, the table of images, and what needs attention.

use std::fmt::{self, Write as _};

use soci_document::{HumanSize, SkippedLayers};

use super::badge::{anchor, write_badge};
use super::bars::{write_share, write_swatch};
use super::escape::{Escaped, Message, Name};
use crate::report::{FailureReport, ImageReport, Kind, Report, State, Totals, is_wanted};
use crate::units::{Count, Seconds};
use crate::wording;

/// Writes the head of the page. For a single image, the section of that image has all of it.
pub(super) fn write(out: &mut String, report: &Report) -> fmt::Result {
    if report.images.len() < 2 {
        return out.write_str("<header>\n<h1>SOCI report</h1>\n</header>\n");
    }
    write_headline(out, report)?;
    write_totals(out, report)?;
    write_failures(out, report)?;
    write_images(out, report)?;
    let reasons = report.reasons();
    if reasons.is_empty() {
        return Ok(());
    }
    out.write_str("<section>\n<h2>Layers without a ztoc</h2>\n")?;
    write_reasons(out, &reasons)?;
    out.write_str("</section>\n")
}

/// Writes how many images there are, and how many in each state.
fn write_headline(out: &mut String, report: &Report) -> fmt::Result {
    let count = report.count();
    writeln!(
        out,
        "<header>\n<h1><span>SOCI report</span> {count}</h1>\n<ul class=\"states\">"
    )?;
    for (state, count) in report.states() {
        out.write_str("<li>")?;
        write_badge(out, state, &format!("{count} {}", state.name()))?;
        out.write_str("</li>\n")?;
    }
    out.write_str("</ul>\n</header>\n")
}

/// Writes the totals of all images as a row of large numbers.
fn write_totals(out: &mut String, report: &Report) -> fmt::Result {
    let totals = report.totals();
    if totals.all.count == 0 {
        return Ok(());
    }
    out.write_str("<dl class=\"totals\">\n")?;
    let share = wording::share(totals.covered, totals.all);
    let sizes = wording::sizes(totals.covered, totals.all);
    write_total(out, "Bytes indexed", &share.to_string(), &sizes)?;
    let counts = wording::counts(totals.covered, totals.all);
    write_total(out, "Layers indexed", &counts, "")?;
    if totals.ztocs > 0 {
        let share = wording::ztoc_share(&totals);
        write_total(out, "Ztocs", &wording::ztocs(&totals), &share)?;
    }
    if totals.reused.count > 0 {
        let size = HumanSize(totals.reused.bytes).to_string();
        let layers = wording::layers(totals.reused.count);
        write_total(out, "Reused, not read", &size, &layers)?;
    }
    let seconds = report.seconds();
    if seconds > 0.0 {
        write_total(
            out,
            "Time",
            &Seconds(seconds).to_string(),
            "all stages, all images",
        )?;
    }
    out.write_str("</dl>\n")
}

fn write_total(out: &mut String, name: &str, value: &str, detail: &str) -> fmt::Result {
    writeln!(
        out,
        "<div><dt>{}</dt><dd><b>{}</b> <span>{}</span></dd></div>",
        Escaped(name),
        Escaped(value),
        Escaped(detail)
    )
}

/// Writes the failures of all images.
fn write_failures(out: &mut String, report: &Report) -> fmt::Result {
    let failed: Vec<(usize, &ImageReport)> = report.failed().collect();
    if failed.is_empty() {
        return Ok(());
    }
    let count = Count(failed.len(), "image");
    writeln!(
        out,
        "<section class=\"failures\">\n<h2>{count} failed</h2>\n<ul>"
    )?;
    for (position, image) in failed {
        let anchor = anchor(position);
        let name = Name(&image.name);
        write!(out, "<li><a href=\"#{anchor}\">{name}</a>")?;
        if let Some(failure) = &image.failure {
            write_failure(out, failure)?;
        }
        out.write_str("</li>\n")?;
    }
    out.write_str("</ul>\n</section>\n")
}

/// Writes the message of a failure, and what to do.
pub(super) fn write_failure(out: &mut String, failure: &FailureReport) -> fmt::Result {
    let FailureReport {
        stage,
        exit,
        message,
        hint,
    } = failure;
    write!(
        out,
        "<p><b>{}</b>: {} <span class=\"quiet\">(status&nbsp;{exit})</span></p>",
        Escaped(stage),
        Message(message)
    )?;
    match hint {
        Some(hint) => write!(out, "<p class=\"cure\"><b>To do:</b> {}</p>", Message(hint)),
        None => Ok(()),
    }
}

/// The head of the table of images.
const IMAGES: &str = "<section>
<h2>Images</h2>
<div class=\"scroll\"><table class=\"images\">
<thead><tr><th scope=\"col\">Image</th><th scope=\"col\">State</th><th scope=\"col\" class=\"number\">Layers</th><th scope=\"col\" class=\"bar\"><span>Share of the bytes that is indexed</span></th><th scope=\"col\" class=\"number\">Indexed</th><th scope=\"col\" class=\"number\">Ztocs</th><th scope=\"col\" class=\"number\">Time</th></tr></thead>
<tbody>
";

fn write_images(out: &mut String, report: &Report) -> fmt::Result {
    out.write_str(IMAGES)?;
    for (position, image) in report.images.iter().enumerate() {
        let (anchor, name) = (anchor(position), Name(&image.name));
        write!(
            out,
            "<tr><th scope=\"row\"><a href=\"#{anchor}\">{name}</a></th><td>"
        )?;
        write_badge(out, image.state, image.state.name())?;
        out.write_str("</td>")?;
        write_image_numbers(out, image)?;
        out.write_str("</tr>\n")?;
    }
    out.write_str("</tbody>\n</table></div>\n</section>\n")
}

fn write_image_numbers(out: &mut String, image: &ImageReport) -> fmt::Result {
    let Totals { all, covered, .. } = image.totals;
    if all.count == 0 {
        let none = format!("<td class=\"number none\">{}</td>", wording::NONE);
        write!(out, "{none}<td class=\"bar\"></td>{none}{none}")?;
    } else {
        let counts = wording::counts(covered, all);
        let sizes = wording::sizes(covered, all);
        let ztocs = wording::ztocs(&image.totals);
        write!(out, "<td class=\"number\">{counts}</td><td class=\"bar\">")?;
        let is_planned = image.state == State::Planned;
        let kind = if is_planned {
            Kind::Planned
        } else {
            Kind::Indexed
        };
        write_share(out, kind, wording::share(covered, all))?;
        write!(
            out,
            "</td><td class=\"number\">{sizes}</td><td class=\"number\">{ztocs}</td>"
        )?;
    }
    let none = if image.times.is_empty() { " none" } else { "" };
    let time = wording::total_time(image);
    write!(out, "<td class=\"number{none}\">{time}</td>")
}

/// The head of a table of reasons.
const REASONS: &str = "<div class=\"scroll\"><table class=\"reasons\">
<thead><tr><th scope=\"col\">Reason</th><th scope=\"col\" class=\"number\">Layers</th><th scope=\"col\" class=\"number\">Size</th><th scope=\"col\">Cause, and what to do</th></tr></thead>
<tbody>
";

/// Writes why layers have no ztoc, and what makes them indexable.
pub(super) fn write_reasons(out: &mut String, reasons: &[SkippedLayers]) -> fmt::Result {
    out.write_str(REASONS)?;
    for group in reasons {
        let kind = if is_wanted(group.reason) {
            Kind::LeftOut
        } else {
            Kind::Skipped
        };
        let explanation = group.reason.explain();
        out.write_str("<tr><th scope=\"row\">")?;
        write_swatch(out, kind)?;
        write!(
            out,
            " {}</th><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}",
            Escaped(&group.to_string()),
            group.layers.count,
            HumanSize(group.layers.bytes),
            Message(explanation.cause),
        )?;
        if explanation.is_curable() {
            write!(
                out,
                "<p class=\"cure\"><b>{}:</b> {}</p>",
                wording::cure_label(group.reason),
                Message(explanation.cure)
            )?;
        }
        out.write_str("</td></tr>\n")?;
    }
    out.write_str("</tbody>\n</table></div>\n")
}
