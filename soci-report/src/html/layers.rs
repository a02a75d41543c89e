//! The layers of one manifest: the key of their strip, and a table.

use std::fmt::{self, Write as _};

use soci_document::HumanSize;

use super::bars::{class, write_bar, write_swatch};
use super::escape::Escaped;
use crate::report::{Kind, Kinds, LayerReport, ManifestReport};
use crate::units::Share;
use crate::wording;

/// The most layers of a manifest that have a row. An image of a builder has at most 127 (the limit
/// of overlayfs in Docker); a document may list more.
const MAX_ROWS: usize = 500;

/// Writes the kinds of layers that a strip has, each with its number and size.
pub(super) fn write_key(out: &mut String, kinds: &Kinds) -> fmt::Result {
    out.write_str("<ul class=\"key\">\n")?;
    for kind in Kind::ALL {
        let total = kinds.kind(kind);
        if total.count == 0 {
            continue;
        }
        out.write_str("<li>")?;
        write_swatch(out, kind)?;
        let (name, size) = (kind.name(), HumanSize(total.bytes));
        let layers = wording::layers(total.count);
        writeln!(out, " <b>{name}</b> {layers}, {size}</li>")?;
    }
    out.write_str("</ul>\n")
}

/// The head of the table of layers.
const HEAD: &str = "<div class=\"scroll\"><table class=\"layers\">
<thead><tr><th scope=\"col\" class=\"number\">#</th><th scope=\"col\">Layer</th><th scope=\"col\" class=\"number\">Size</th><th scope=\"col\" class=\"bar\"><span>To scale</span></th><th scope=\"col\" class=\"number\">Ztoc</th><th scope=\"col\" class=\"number\">Spans</th><th scope=\"col\">Outcome</th></tr></thead>
<tbody>
";

/// Writes a table with a row for each layer.
pub(super) fn write_table(out: &mut String, manifest: &ManifestReport) -> fmt::Result {
    out.write_str(HEAD)?;
    let largest = manifest.largest_layer();
    let layers = manifest.layers.iter().take(MAX_ROWS);
    for (position, layer) in layers.enumerate() {
        write_row(out, layer, position + 1, largest)?;
    }
    out.write_str("</tbody>\n</table></div>\n")?;
    let rest = manifest.layers.get(MAX_ROWS..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(());
    }
    let total = Kinds::of(rest).all;
    let (layers, size) = (wording::layers(total.count), HumanSize(total.bytes));
    writeln!(out, "<p>And {layers} more, {size}.</p>")
}

fn write_row(out: &mut String, layer: &LayerReport, number: usize, largest: u64) -> fmt::Result {
    let LayerReport {
        digest,
        short_digest,
        size,
        kind,
        reason,
        reused_from,
        ..
    } = layer;
    write!(
        out,
        r#"<tr class="row-{}"><td class="number">{number}</td><td><code title="{}">{}</code></td><td class="number">{}</td><td class="bar">"#,
        class(*kind),
        Escaped(digest),
        Escaped(short_digest),
        HumanSize(*size),
    )?;
    let (part, whole) = (*size, largest);
    write_bar(out, *kind, Share { part, whole })?;
    let (ztoc, spans) = (wording::ztoc(layer), wording::spans(layer));
    let name = kind.name();
    write!(
        out,
        r#"</td><td class="number">{ztoc}</td><td class="number">{spans}</td><td><b>{name}</b>"#
    )?;
    if let Some(reason) = reason {
        write!(out, " {}", Escaped(&reason.to_string()))?;
    } else if let Some(from) = reused_from {
        write!(out, " from <code>{}</code>", Escaped(from))?;
    }
    out.write_str("</td></tr>\n")
}
