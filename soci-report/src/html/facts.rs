//! How long the stages took, and how the image was planned and pushed.

use std::fmt::{self, Write as _};

use soci_document::HumanSize;

use super::bars::write_bar;
use super::escape::{Escaped, Reference};
use crate::report::{ImageReport, Kind, StageTime};
use crate::units::{Seconds, Share};
use crate::wording::{self, NONE};

/// The head of the table of stages.
const TIMES: &str = "<section>
<h3>Time</h3>
<div class=\"scroll\"><table class=\"times\">
<thead><tr><th scope=\"col\">Stage</th><th scope=\"col\" class=\"number\">Time</th><th scope=\"col\" class=\"bar\"><span>To scale</span></th><th scope=\"col\" class=\"number\">Bytes</th><th scope=\"col\" class=\"number\">Rate</th><th scope=\"col\" class=\"number\">Reused</th></tr></thead>
<tbody>
";

/// Writes how long the stages took.
pub(super) fn write_times(out: &mut String, image: &ImageReport) -> fmt::Result {
    if image.times.is_empty() {
        return Ok(());
    }
    out.write_str(TIMES)?;
    let longest = image.times.iter().map(milliseconds).max().unwrap_or(0);
    for time in &image.times {
        write!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"bar\">",
            Escaped(&time.stage),
            Seconds(time.seconds)
        )?;
        let (part, whole) = (milliseconds(time), longest);
        write_bar(out, Kind::Undecided, Share { part, whole })?;
        let size = |bytes| match bytes {
            0 => NONE.to_owned(),
            bytes => HumanSize(bytes).to_string(),
        };
        let rate = wording::rate(time).unwrap_or(NONE.to_owned());
        let (bytes, reused) = (size(time.bytes), size(time.reused));
        writeln!(
            out,
            "</td><td class=\"number\">{bytes}</td><td class=\"number\">{rate}</td><td class=\"number\">{reused}</td></tr>"
        )?;
    }
    out.write_str("</tbody>\n</table></div>\n</section>\n")
}

/// Returns a time in whole milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the time is not negative, and a longer one than 500 million years is cut"
)]
fn milliseconds(time: &StageTime) -> u64 {
    (time.seconds * 1000.0) as u64
}

/// Writes how the image was planned and pushed.
pub(super) fn write_settings(out: &mut String, image: &ImageReport) -> fmt::Result {
    let mut facts: Vec<(&str, String)> = Vec::new();
    if let Some(digest) = &image.digest {
        facts.push(("image", format!("<code>{}</code>", Reference(digest))));
    }
    for setting in &image.settings {
        facts.push((setting.name, Reference(&setting.value).to_string()));
    }
    if let Some(push) = &image.push {
        facts.push(("destination", Reference(&push.repository).to_string()));
        facts.push(("push", wording::transfer(push)));
        if let Some(referrers) = push.referrers {
            facts.push(("version 1 is found by", referrers.to_owned()));
        }
    }
    if facts.is_empty() {
        return Ok(());
    }
    out.write_str("<section>\n<h3>Plan and push</h3>\n<dl class=\"settings\">\n")?;
    for (name, value) in facts {
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    out.write_str("</dl>\n</section>\n")
}
