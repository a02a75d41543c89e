//! The report as one HTML page, which needs no network and runs no script.
//!
//! Bars are drawn by SVG attributes, so that the page may forbid styles other than its own sheet
//! (Content Security Policy Level 3, section 6.1.14), and can be read without the sheet as well.

mod badge;
mod bars;
mod escape;
mod facts;
mod image;
mod layers;
mod overview;

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::report::Report;
use escape::Escaped;

/// The sheet of the page.
const STYLE: &str = include_str!("html/style.css");

/// The patterns of the bars, which tell the kinds of layers apart without colour.
const PATTERNS: &str = include_str!("html/patterns.svg");

/// Writes the report as a page.
pub(crate) fn write(out: &mut String, report: &Report) -> fmt::Result {
    let headline = report.headline();
    let title = match report.images.as_slice() {
        [image] => format!("{}: {}", image.name, image.state.name()),
        _ => headline,
    };
    write!(
        out,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{hash}'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{title} – SOCI report</title>
<style>{STYLE}</style>
</head>
<body>
{PATTERNS}<main>
"#,
        hash = hash_of_style(),
        title = Escaped(&title),
    )?;
    overview::write(out, report)?;
    let layers = report.images.iter().flat_map(|image| &image.manifests);
    let count: usize = layers.map(|manifest| manifest.layers.len()).sum();
    let tables = image::Tables::of(count);
    for (position, image) in report.images.iter().enumerate() {
        image::write(out, image, position, tables)?;
    }
    out.write_str(FOOTER)
}

/// The end of the page.
const FOOTER: &str = "<footer>
<p>Sizes are those of the compressed layers. Bars are to scale; a bar that would be too narrow to see is drawn wider. \
A span is the part of a layer that is fetched at once. Their number is at least the compressed size divided by the span size, which counts uncompressed bytes. \
A layer without a ztoc is pulled whole before the container starts.</p>
</footer>
</main>
</body>
</html>
";

/// Returns the source expression that allows the sheet and no other style.
fn hash_of_style() -> String {
    let hash = Sha256::digest(STYLE.as_bytes());
    format!("sha256-{}", STANDARD.encode(hash))
}
