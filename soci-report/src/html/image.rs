//! The section of one image.

use std::fmt::{self, Write as _};

use super::badge::{anchor, write_badge};
use super::bars::write_strip;
use super::escape::{Escaped, Message, Name, Reference};
use super::facts::{write_settings, write_times};
use super::layers::{write_key, write_table};
use super::overview::{write_failure, write_reasons};
use crate::report::{Deployment, ImageReport, ManifestReport, SkippedManifest};
use crate::wording;

/// Whether the tables of layers are open when the page is loaded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tables {
    Closed,
    Open,
}

impl Tables {
    /// Returns whether the tables of a page with so many layers are open: if they are a page or
    /// two.
    pub(super) const fn of(layers: usize) -> Self {
        if layers <= 80 {
            Self::Open
        } else {
            Self::Closed
        }
    }
}

/// The most layers of a table that is open in any case.
const SHORT_TABLE: usize = 12;

/// Writes the section of an image.
pub(super) fn write(
    out: &mut String,
    image: &ImageReport,
    position: usize,
    tables: Tables,
) -> fmt::Result {
    let (anchor, name) = (anchor(position), Name(&image.name));
    writeln!(
        out,
        "<article id=\"{anchor}\" aria-labelledby=\"{anchor}-name\">"
    )?;
    write!(
        out,
        "<h2 id=\"{anchor}-name\">{name}</h2>\n<p class=\"state\">"
    )?;
    write_badge(out, image.state, image.state.name())?;
    out.write_str("</p>\n")?;
    if let Some(failure) = &image.failure {
        out.write_str("<div class=\"failure\">")?;
        write_failure(out, failure)?;
        out.write_str("</div>\n")?;
    }
    write_deployment(out, &image.deployment)?;
    for manifest in &image.manifests {
        write_manifest(out, manifest, tables)?;
    }
    if !image.reasons.is_empty() {
        out.write_str("<section>\n<h3>Layers without a ztoc</h3>\n")?;
        write_reasons(out, &image.reasons)?;
        out.write_str("</section>\n")?;
    }
    write_skipped_manifests(out, &image.skipped_manifests)?;
    out.write_str("<div class=\"facts\">\n")?;
    write_times(out, image)?;
    write_settings(out, image)?;
    out.write_str("</div>\n</article>\n")
}

/// Writes what to deploy. A click selects a whole reference.
fn write_deployment(out: &mut String, deployment: &Deployment) -> fmt::Result {
    let Deployment { references, note } = deployment;
    if references.is_empty() {
        return Ok(());
    }
    out.write_str("<section class=\"deploy\">\n<h3>Deploy</h3>\n")?;
    for reference in references {
        writeln!(out, "<p><code>{}</code></p>", Reference(reference))?;
    }
    writeln!(out, "<p class=\"quiet\">{}</p>\n</section>", Escaped(note))
}

fn write_manifest(out: &mut String, manifest: &ManifestReport, tables: Tables) -> fmt::Result {
    let kinds = manifest.kinds();
    writeln!(
        out,
        "<section class=\"manifest\">\n<h3>{} <span>{}</span></h3>",
        Escaped(&manifest.platform),
        wording::coverage(kinds.covered(), kinds.all)
    )?;
    if !manifest.layers.is_empty() {
        write_strip(out, manifest)?;
        write_key(out, &kinds)?;
        let is_open = tables == Tables::Open || manifest.layers.len() <= SHORT_TABLE;
        let open = if is_open { " open" } else { "" };
        let layers = wording::layers(kinds.all.count);
        writeln!(out, "<details{open}><summary>Table of {layers}</summary>")?;
        write_table(out, manifest)?;
        out.write_str("</details>\n")?;
    }
    out.write_str("<dl class=\"digests\">\n")?;
    let digest = Reference(&manifest.digest);
    writeln!(
        out,
        "<div><dt>Manifest</dt><dd><code>{digest}</code></dd></div>"
    )?;
    for index in &manifest.indexes {
        let (version, digest) = (index.version, Reference(&index.digest));
        writeln!(
            out,
            "<div><dt>SOCI index {version}</dt><dd><code>{digest}</code></dd></div>"
        )?;
    }
    out.write_str("</dl>\n</section>\n")
}

/// The most manifests without an index that are listed.
const MAX_SKIPPED: usize = 100;

/// Writes which manifests are not indexed, and why.
fn write_skipped_manifests(out: &mut String, manifests: &[SkippedManifest]) -> fmt::Result {
    if manifests.is_empty() {
        return Ok(());
    }
    out.write_str("<section>\n<h3>Manifests without an index</h3>\n<ul class=\"manifests\">\n")?;
    for manifest in manifests.iter().take(MAX_SKIPPED) {
        write!(out, "<li><b>{}</b>", Escaped(&manifest.name()))?;
        if let Some(reason) = manifest.reason {
            let explanation = reason.explain();
            write!(out, " <span>{reason}</span> {}", Message(explanation.cause))?;
            if explanation.is_curable() {
                write!(out, "; {}", Message(explanation.cure))?;
            }
        }
        out.write_str("</li>\n")?;
    }
    out.write_str("</ul>\n")?;
    let rest = manifests.len().saturating_sub(MAX_SKIPPED);
    if rest > 0 {
        writeln!(out, "<p>And {rest} more.</p>")?;
    }
    out.write_str("</section>\n")
}
