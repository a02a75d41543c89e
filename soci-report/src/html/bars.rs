//! Bars: strips of layers to scale, and the bars of single rows.

use std::fmt::{self, Write as _};

use soci_document::HumanSize;

use super::escape::{Escaped, Percent};
use crate::report::{Kind, LayerReport, ManifestReport};
use crate::units::Share;
use crate::wording;

/// The least width of a part of a strip, in hundredths of a percent.
const MIN_WIDTH: u64 = 18;

/// The least width of a part of a strip that has its size written in it, in hundredths of a
/// percent.
const LABEL_WIDTH: u64 = 850;

/// The space after a part of a strip, in hundredths of a percent.
const GAP: u64 = 16;

/// Returns the class of a kind, which determines its fill.
pub(super) const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Indexed => "indexed",
        Kind::Reused => "reused",
        Kind::Planned => "planned",
        Kind::LeftOut => "left-out",
        Kind::Skipped => "skipped",
        Kind::Undecided => "undecided",
    }
}

/// Returns the fill of a kind, which counts if the sheet is not loaded.
const fn fill(kind: Kind) -> &'static str {
    match kind {
        Kind::Indexed => "#0c6b8a",
        Kind::Reused => "url(#reused)",
        Kind::Planned => "url(#planned)",
        Kind::LeftOut => "url(#left-out)",
        Kind::Skipped => "url(#skipped)",
        Kind::Undecided => "#c5cad1",
    }
}

/// Writes a swatch of a kind for a key.
pub(super) fn write_swatch(out: &mut String, kind: Kind) -> fmt::Result {
    let (class, fill) = (class(kind), fill(kind));
    write!(
        out,
        r#"<svg class="swatch" width="22" height="12" aria-hidden="true"><rect class="{class}" width="22" height="12" rx="2" fill="{fill}"/></svg>"#
    )
}

/// Writes a bar in a row of a table.
pub(super) fn write_bar(out: &mut String, kind: Kind, share: Share) -> fmt::Result {
    // A bar of a size that is not 0 can be seen.
    let width = share
        .basis_points()
        .max(if share.part > 0 { 60 } else { 0 });
    let (class, width, fill) = (class(kind), Percent(width), fill(kind));
    write!(
        out,
        r#"<svg width="100%" height="10" aria-hidden="true"><rect class="{class}" width="{width}" height="10" fill="{fill}"/></svg>"#
    )
}

/// Writes a bar whose whole length can be seen as well.
pub(super) fn write_share(out: &mut String, kind: Kind, share: Share) -> fmt::Result {
    let (class, width, fill) = (class(kind), Percent(share.basis_points()), fill(kind));
    write!(
        out,
        r##"<svg width="100%" height="10" aria-hidden="true"><rect class="track" width="100%" height="10" fill="#e3e6ea"/><rect class="{class}" width="{width}" height="10" fill="{fill}"/></svg>"##
    )
}

/// A part of a strip: its position and width in hundredths of a percent.
struct Segment<'a> {
    layer: &'a LayerReport,
    /// Counts from 1.
    number: usize,
    start: u64,
    width: u64,
}

/// Divides a strip among layers by their sizes.
fn divide(layers: &[LayerReport]) -> Vec<Segment<'_>> {
    let whole = layers
        .iter()
        .fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
    let widths = layers.iter().map(|layer| {
        let part = layer.size;
        Share { part, whole }.basis_points().max(MIN_WIDTH)
    });
    let widths: Vec<u64> = widths.collect();
    let sum: u64 = widths.iter().sum();
    let scale = |edge: u64| edge * 10_000 / sum.max(1);
    let mut edge = 0;
    let mut segments = Vec::new();
    for (position, (layer, width)) in layers.iter().zip(widths).enumerate() {
        let start = scale(edge);
        edge += width;
        segments.push(Segment {
            layer,
            number: position + 1,
            start,
            width: scale(edge) - start,
        });
    }
    segments
}

/// Writes the layers of a manifest as one strip, whose parts are to scale.
pub(super) fn write_strip(out: &mut String, manifest: &ManifestReport) -> fmt::Result {
    let kinds = manifest.kinds();
    let coverage = wording::coverage(kinds.covered(), kinds.all);
    write!(
        out,
        r#"<svg class="strip" role="img" width="100%" height="36" aria-label="Layers to scale, base first: {}">"#,
        Escaped(&coverage)
    )?;
    // Of more than 10,000 layers, not all can be seen.
    let segments = divide(&manifest.layers).into_iter();
    for segment in segments.filter(|segment| segment.width > 0) {
        write_segment(out, &segment)?;
    }
    out.write_str("</svg>\n")
}

fn write_segment(out: &mut String, segment: &Segment<'_>) -> fmt::Result {
    let Segment {
        layer,
        number,
        start,
        width,
    } = segment;
    let seen = width - GAP.min(width / 4);
    let (class, size) = (class(layer.kind), HumanSize(layer.size));
    write!(
        out,
        r#"<rect class="{class}" x="{}" width="{}" height="36" fill="{}"><title>layer {number}: {size}, {}</title></rect>"#,
        Percent(*start),
        Percent(seen),
        fill(layer.kind),
        Escaped(&layer.outcome())
    )?;
    if *width < LABEL_WIDTH {
        return Ok(());
    }
    let room = if *width < 2 * LABEL_WIDTH {
        "tight"
    } else {
        "roomy"
    };
    write!(
        out,
        r#"<text class="on-{class} {room}" x="{}" y="23" text-anchor="middle">{size}</text>"#,
        Percent(start + seen / 2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(sizes: &[u64]) -> Vec<LayerReport> {
        let layer = |size: &u64| LayerReport {
            digest: String::new(),
            short_digest: String::new(),
            size: *size,
            kind: Kind::Indexed,
            reason: None,
            reused_from: None,
            ztoc: None,
            spans: None,
        };
        sizes.iter().map(layer).collect()
    }

    #[test]
    fn divides_a_strip_to_scale() {
        let layers = layers(&[60, 30, 10]);
        let widths = divide(&layers);
        let widths: Vec<u64> = widths.iter().map(|segment| segment.width).collect();
        assert_eq!(widths, [6000, 3000, 1000]);
    }

    #[test]
    fn keeps_small_layers_visible_and_fills_the_strip() {
        for sizes in [&[0, 1, u64::MAX, u64::MAX][..], &[0, 0], &[1; 200]] {
            let layers = layers(sizes);
            let segments = divide(&layers);
            let last = segments.last().expect("a segment");
            assert_eq!(last.start + last.width, 10_000);
            let mut widths = segments.iter().map(|segment| segment.width);
            assert!(widths.all(|width| width > 0), "{sizes:?}");
        }
    }
}
