//! Checks an image in a registry, layout or archive that a reference names.

use soci_cli::{Failure, Progress};
use soci_document::{Check, Classify as _, Document, Exit, ImageReference};
use soci_layout::REF_NAME;
use soci_oci::reference::Selector;
use soci_oci::soci::CONVERTED_TAG_SUFFIX;
use soci_oci::{Descriptor, Reference};
use soci_transport::Source;

use crate::checker::{Checker, read_image};
use crate::document::describe_image;
use crate::examination::{Examination, Other};
use crate::findings::Findings;
use crate::image::{Image, Selection};
use crate::original::{Origin, compare};
use crate::place::Place;
use crate::surroundings::RegistryKind;
use crate::tag::{Tag, Versions};

/// The tag that a reference without tag and digest names, as in Docker.
const DEFAULT_TAG: &str = "latest";

/// An image in a registry, layout or archive.
pub(crate) struct NamedImage<'a> {
    checker: &'a Checker,
    source: &'a Source,
    place: Place,
    selection: Selection,
    /// The reference as the user wrote it.
    name: &'a str,
}

/// A converted image under a tag of its own.
struct Converted {
    /// The tag as a full reference.
    tag: String,
    image: Image,
}

impl<'a> NamedImage<'a> {
    pub(crate) fn new(
        checker: &'a Checker,
        source: &'a Source,
        reference: &'a ImageReference,
    ) -> Self {
        Self {
            checker,
            source,
            place: Place::Source(source.clone()),
            selection: checker.select_platforms(),
            name: reference.as_str(),
        }
    }

    /// Checks what the reference names now, and returns the document of it.
    pub(crate) fn check_tag(
        &self,
        reference: &ImageReference,
        progress: &Progress,
    ) -> Result<(Document, Check), Failure> {
        let mut findings = Findings::default();
        let resolved = self.source.resolve()?;
        let image = Image::read(&self.place, &self.selection, resolved.into(), &mut findings)?;
        let check = self.check_image(&image, findings, progress)?;
        Ok((describe_image(reference, &image), check))
    }

    /// Checks the image whose manifest or index is `root`.
    pub(super) fn check_digest(
        &self,
        root: &Descriptor,
        progress: &Progress,
    ) -> Result<Check, Failure> {
        let mut findings = Findings::default();
        match read_image(&self.place, root, &self.selection, &mut findings)? {
            Some(image) => self.check_image(&image, findings, progress),
            None => Err(Failure::message(
                Exit::NotFound,
                format!(
                    "image `{}` does not exist in the repository, or is damaged",
                    root.digest
                ),
            )),
        }
    }

    /// Checks an image, together with its converted image or its original in the same repository.
    fn check_image(
        &self,
        image: &Image,
        mut findings: Findings,
        progress: &Progress,
    ) -> Result<Check, Failure> {
        let tag = find_tag(self.source.reference(), &image.root);
        let converted = match &tag {
            Some(tag) if image.is_converted() => {
                self.compare_with_original(image, tag, &mut findings)?;
                None
            }
            Some(tag) => self.find_converted(image, tag, &mut findings)?,
            None => None,
        };
        let tag_of = |image| Tag {
            place: &self.place,
            image,
            versions: Versions::All,
            version_1: None,
        };
        let other = match &converted {
            Some(converted) => {
                compare(image, &converted.image, Origin::Tag, &mut findings);
                Other::Converted(tag_of(&converted.image), converted.tag.clone())
            }
            None => Other::None,
        };
        let examination = Examination {
            place: &self.place,
            registry: RegistryKind::of(self.source.reference()),
            tag: tag_of(image),
            other,
        };
        let layers = Some(self.source);
        let resources = self.checker.resources(layers, self.name, progress);
        examination.run(&resources, findings)
    }

    /// Compares a converted image with the image of the tag without `-soci`, if there is one.
    fn compare_with_original(
        &self,
        converted: &Image,
        tag: &str,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let Some(tag) = tag.strip_suffix(CONVERTED_TAG_SUFFIX) else {
            return Ok(());
        };
        // What is wrong with the original is not what the converted image is checked for.
        if let Some(original) = self.read_tag(tag, &mut Findings::default())?
            && !original.is_converted()
        {
            compare(&original, converted, Origin::Tag, findings);
        }
        Ok(())
    }

    /// Returns the image under the tag with `-soci`, if it is converted.
    fn find_converted(
        &self,
        image: &Image,
        tag: &str,
        findings: &mut Findings,
    ) -> Result<Option<Converted>, Failure> {
        let mut own = Findings::default();
        let tag = format!("{tag}{CONVERTED_TAG_SUFFIX}");
        let Some(converted) = self.read_tag(&tag, &mut own)? else {
            return Ok(None);
        };
        if converted.root.digest == image.root.digest || !converted.is_converted() {
            return Ok(None);
        }
        findings.merge(own);
        Ok(Some(Converted {
            tag: self.source.with_tag(&tag).reference().to_string(),
            image: converted,
        }))
    }

    /// Reads the image of another tag, if there is one.
    fn read_tag(&self, tag: &str, findings: &mut Findings) -> Result<Option<Image>, Failure> {
        match self.source.with_tag(tag).resolve() {
            Ok(resolved) => {
                Image::read(&self.place, &self.selection, resolved.into(), findings).map(Some)
            }
            Err(error) if matches!(error.exit(), Exit::NotFound | Exit::BadData) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the tag that a reference names, or the name in a layout.
pub(crate) fn find_tag(reference: &Reference, root: &Descriptor) -> Option<String> {
    match reference {
        Reference::Registry(reference) if reference.digest.is_some() => reference.tag.clone(),
        Reference::Registry(reference) => {
            let tag = reference.tag.as_deref().unwrap_or(DEFAULT_TAG);
            Some(tag.to_owned())
        }
        Reference::Layout { select, .. }
        | Reference::Archive { select, .. }
        | Reference::DockerArchive { select, .. } => match select {
            Selector::Name(name) => Some(name.clone()),
            Selector::Any | Selector::Digest(_) => root.annotations.get(REF_NAME).cloned(),
        },
    }
}
