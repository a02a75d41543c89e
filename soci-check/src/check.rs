//! Checks one image, which a reference or a document names.

mod indexed;
pub(crate) mod named;
mod pushed;

use std::time::Instant;

use soci_cli::{Failure, Processed, Progress, Work, parse_reference};
use soci_document::{
    Check, Document, Exit, Finding, ImageReference, Indexing, ManifestEntry, Severity, Timing,
};
use soci_transport::Source;

use crate::check::named::NamedImage;
use crate::check::pushed::parse_destination;
use crate::checker::Checker;
use crate::report::format_report;

/// How many findings about one image are printed, besides the first error.
const MAX_MESSAGES: usize = 10;

impl Checker {
    /// Returns the work of checking the image that a reference names. Images are prepared in the
    /// order of the input, because the registry of the first one gets the password.
    pub(crate) fn prepare_reference(&self, text: &str) -> Result<Work<'_>, Failure> {
        let image = parse_reference(text)?;
        self.session.claim_password_for(image.reference())?;
        let reference = image.reference().clone();
        let check = move |progress: &Progress| self.check_reference(&image, progress);
        Ok(Work::reading(&reference, check))
    }

    /// Returns the work of checking the image of a document.
    pub(crate) fn prepare_document(&self, document: Document) -> Result<Work<'_>, Failure> {
        let pushed = document.push.as_ref().filter(|push| !push.dry_run);
        let destination = pushed.and_then(|push| parse_destination(push).ok());
        let checked = destination.as_ref().unwrap_or(&document.image).reference();
        let checked = checked.clone();
        self.session.claim_password_for(&checked)?;
        let check = move |progress: &Progress| self.check_document(document, progress);
        Ok(Work::reading(&checked, check))
    }

    /// Checks the image that a reference names.
    fn check_reference(
        &self,
        image: &ImageReference,
        progress: &Progress,
    ) -> Result<Processed, Failure> {
        let started = Instant::now();
        let source = Source::open(&self.session, image.reference())?;
        let named = NamedImage::new(self, &source, image);
        let (document, check) = named.check_tag(image, progress)?;
        Ok(self.finish(document, check, started))
    }

    /// Checks the image of a document: what was pushed, or else what `soci-index` made, or else
    /// what the source holds.
    fn check_document(
        &self,
        document: Document,
        progress: &Progress,
    ) -> Result<Processed, Failure> {
        let started = Instant::now();
        let is_indexed = |entry: &ManifestEntry| !entry.index.is_pending();
        let check = match &document.push {
            Some(push) if !push.dry_run => self.check_pushed(&document, push, progress)?,
            _ if document.has_planned_manifests()
                && (document.converted != Indexing::Pending
                    || document.manifests.iter().any(is_indexed)) =>
            {
                self.check_indexed(&document, progress)?
            }
            _ => {
                let image = &document.image;
                let source = Source::open(&self.session, image.reference())?;
                NamedImage::new(self, &source, image).check_digest(&document.root, progress)?
            }
        };
        Ok(self.finish(document, check, started))
    }

    /// Enters the result of a check into the document, and prints the findings. An error fails the
    /// image.
    fn finish(&self, mut document: Document, check: Check, started: Instant) -> Processed {
        let image = document.image.to_string();
        self.print_findings(&image, &check);
        let failures = fail(&check).into_iter().collect();
        let timing = Timing {
            seconds: started.elapsed().as_secs_f64(),
            bytes: check.proved.map_or(0, |proved| proved.bytes),
            ..Timing::default()
        };
        document.timing.insert("check".to_owned(), timing);
        document.check = Some(check);
        Processed {
            document: Some(document),
            failures,
            result: Some(describe_answer),
            explain: None,
            report: Some(format_report),
        }
    }

    /// Prints errors, except the first, which is that of the image, and warnings.
    fn print_findings(&self, image: &str, check: &Check) {
        if self.shows_summaries {
            return;
        }
        let errors = check.findings_of(Severity::Error).skip(1);
        let findings = errors.chain(check.findings_of(Severity::Warning));
        let findings: Vec<&Finding> = findings.collect();
        for finding in findings.iter().take(MAX_MESSAGES) {
            let (rule, message) = (&finding.rule, &finding.message);
            let hint = finding.hint.as_deref();
            tracing::warn!(image, hint, "{rule}: {message}");
        }
        let left = findings.len().saturating_sub(MAX_MESSAGES) as u64 + check.omitted;
        if left > 0 {
            tracing::warn!(
                image,
                "{left} more findings; the document lists them in `.check.findings`"
            );
        }
    }
}

/// Returns the failure of an image in which an error was found.
fn fail(check: &Check) -> Option<Failure> {
    let first = check.findings_of(Severity::Error).next()?;
    let others = check.findings_of(Severity::Error).count() - 1;
    let more = match others {
        0 => String::new(),
        1 => " (and 1 more error)".to_owned(),
        others => format!(" (and {others} more errors)"),
    };
    let message = format!("{}: {}{more}", first.rule, first.message);
    let failure = Failure::message(Exit::CheckFailed, message);
    Some(match &first.hint {
        Some(hint) => failure.hint(hint.clone()),
        None => failure,
    })
}

/// Returns the last message about an image.
fn describe_answer(document: &Document) -> String {
    let check = document.check.as_ref();
    check.map(|check| check.answer.clone()).unwrap_or_default()
}
