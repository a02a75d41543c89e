//! Checks what was pushed.

use soci_cli::{Failure, Progress};
use soci_document::{Check, Classify as _, Document, Exit, ImageReference, Push};
use soci_transport::Source;

use crate::check::indexed::version_1_of;
use crate::checker::{Checker, read_image};
use crate::examination::{Examination, Other, describe_unreadable};
use crate::findings::Findings;
use crate::original::{Origin, compare};
use crate::place::Place;
use crate::rules::chain::{TAG_MISSING, TAG_MOVED, VERSION_1_NOT_LISTED};
use crate::surroundings::RegistryKind;
use crate::tag::{Tag, Versions};

impl Checker {
    /// Checks what the destination of a push holds.
    pub(super) fn check_pushed(
        &self,
        document: &Document,
        push: &Push,
        progress: &Progress,
    ) -> Result<Check, Failure> {
        let repository = parse_destination(push)?;
        let source = Source::open(&self.session, repository.reference())?;
        let place = Place::Source(source.clone());
        let mut findings = Findings::default();
        check_tags(document, push, &source, &mut findings)?;
        check_version_1(document, &place, &mut findings)?;
        let selection = self.selection_of(document);
        let tagged = read_image(&place, document.tagged(), &selection, &mut findings)?;
        let is_original = document.tagged().digest == document.root.digest;
        let has_version_1 = !version_1_of(document).is_empty();
        // Without version 1, the destination need not hold the original.
        let mut ignored = Findings::default();
        let about_original = if has_version_1 {
            &mut findings
        } else {
            &mut ignored
        };
        let original = if is_original && tagged.is_some() {
            None
        } else {
            read_image(&place, &document.root, &selection, about_original)?
        };
        let tag_of = |image, versions| Tag {
            place: &place,
            image,
            versions,
            version_1: None,
        };
        let (tag, other) = match (&tagged, &original) {
            (Some(tagged), Some(original)) => {
                let missing = &selection.unfetched;
                compare(original, tagged, Origin::Known(missing), &mut findings);
                let other = if has_version_1 {
                    Other::Original(tag_of(original, Versions::Version1))
                } else {
                    Other::None
                };
                (tag_of(tagged, Versions::All), other)
            }
            (Some(image), None) | (None, Some(image)) => {
                (tag_of(image, Versions::All), Other::None)
            }
            (None, None) => return Ok(describe_unreadable(findings)),
        };
        let examination = Examination {
            place: &place,
            registry: RegistryKind::of(repository.reference()),
            tag,
            other,
        };
        let resources = self.resources(Some(&source), document.image.as_str(), progress);
        examination.run(&resources, findings)
    }
}

/// Returns the destination of a push.
pub(super) fn parse_destination(push: &Push) -> Result<ImageReference, Failure> {
    let destination = &push.repository;
    destination.parse().map_err(|error| {
        let context = format!("the destination `{destination}` of the push");
        Failure::new(Exit::BadData, error).context(context)
    })
}

/// Checks that each tag that was pushed names what was pushed.
fn check_tags(
    document: &Document,
    push: &Push,
    source: &Source,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let prefix = format!("{}:", push.repository);
    for tag in &push.tags {
        let Some(name) = tag.tag.strip_prefix(&prefix) else {
            continue;
        };
        let expected = tag.digest.unwrap_or(document.tagged().digest);
        match source.with_tag(name).read_root() {
            Ok((found, _)) if found.digest == expected => {}
            Ok((found, _)) => {
                let what = format!(
                    "tag `{}` names `{}`, expected `{expected}`",
                    tag.tag, found.digest
                );
                findings.add(TAG_MOVED.found(what));
            }
            Err(error) if error.exit() == Exit::NotFound => {
                findings.add(TAG_MISSING.found(format_args!("tag `{}` does not exist", tag.tag)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Checks that the destination lists each SOCI index of version 1 that was pushed.
fn check_version_1(
    document: &Document,
    place: &Place,
    findings: &mut Findings,
) -> Result<(), Failure> {
    for (manifest, index) in version_1_of(document) {
        let listed = place.list_version_1(manifest)?;
        if !listed.iter().any(|found| found.digest == index.digest) {
            let what = format!(
                "the registry does not list SOCI index `{}` as a referrer of manifest `{manifest}`",
                index.digest
            );
            findings.add(VERSION_1_NOT_LISTED.found(what).in_manifest(manifest));
        }
    }
    Ok(())
}
