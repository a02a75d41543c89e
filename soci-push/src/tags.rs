//! The tags of a converted image.

use soci_cli::{Failure, parse_reference};
use soci_document::{Document, Exit, Indexing, ManifestEntry};
use soci_layout::REF_NAME;
use soci_oci::Reference;
use soci_oci::printable::hide_credentials;
use soci_oci::reference::{MAX_TAG_LENGTH, is_tag};
use soci_oci::soci::CONVERTED_TAG_SUFFIX;

/// What the tags of a converted image are made from.
pub(crate) struct TagNaming<'a> {
    /// The templates of `--tag`.
    pub(crate) templates: &'a [String],
    /// The destination as the user wrote it, if one was given.
    pub(crate) to: Option<&'a str>,
    pub(crate) destination: &'a Reference,
    /// The image that was indexed.
    pub(crate) image: &'a Reference,
}

/// The tags of an image.
pub(crate) struct KnownTags {
    /// The tags to set.
    pub(crate) tags: Vec<String>,
    /// The tag that the image keeps, if an earlier run may have set it and the image is not copied.
    pub(crate) kept_tag: Option<String>,
    /// The tags from which the tag of the image is derived if an earlier run has set it.
    pub(crate) original_tags: Vec<String>,
}

impl TagNaming<'_> {
    /// Returns the tags of `document`, and what is known of the tag that the image has.
    pub(crate) fn resolve(&self, document: &Document) -> Result<KnownTags, Failure> {
        let mut tags = self.tags_of(document)?;
        // Only an image without an indexed layer is tagged as it is, so that its content does not
        // tell what an earlier run has tagged.
        let is_tagged_as_it_is = matches!(document.converted, Indexing::Empty);
        let original_tags = if self.is_in_place() && is_tagged_as_it_is {
            self.original_tags(document)
        } else {
            Vec::new()
        };
        let is_kept = self.is_in_place() && document.is_converted() || !original_tags.is_empty();
        let kept_tag = self.image_tag(document).filter(|_| is_kept);
        if !document.has_planned_manifests() {
            // By now, the tag may name what another run has converted.
            tags.retain(|tag| Some(tag) != kept_tag.as_ref());
        }
        Ok(KnownTags {
            tags,
            kept_tag,
            original_tags,
        })
    }

    /// Returns the tags of the converted image of `document`, each once: those of the templates,
    /// else the tag that the destination names, else the tag of the image with `-soci`. An image
    /// without a tag gets none by default.
    ///
    /// If the image is not converted, because the plan asks only for version 1, the image itself
    /// gets the tag that the destination names, or those of the templates if it is copied.
    ///
    /// An image that is converted already keeps its tag: by default, and in its own repository also
    /// if a template would derive another one.
    fn tags_of(&self, document: &Document) -> Result<Vec<String>, Failure> {
        let explicit = self.explicit_tag();
        let is_tagged = explicit.is_some() || !self.is_in_place() && !self.templates.is_empty();
        if document.converted.is_pending() && !is_tagged {
            return Ok(Vec::new());
        }
        let image_tag = self.image_tag(document);
        let keeps_tag = document.is_converted() && self.is_in_place();
        let mut tags = Vec::new();
        for template in self.templates_for(document) {
            let tag = if keeps_tag && has_placeholder(&template) {
                image_tag.clone()
            } else {
                let tag = fill_template(&template, image_tag.as_deref(), document)?;
                self.check_tag(&tag)?;
                Some(tag)
            };
            tags.extend(tag.filter(|tag| !tags.contains(tag)));
        }
        Ok(tags)
    }

    /// Returns the tag in the destination as the user wrote it, with its placeholders.
    fn explicit_tag(&self) -> Option<&str> {
        self.to.and_then(|to| split_tag(to).1)
    }

    /// Returns the templates of the tags of `document`.
    fn templates_for(&self, document: &Document) -> Vec<String> {
        match (self.templates, self.explicit_tag()) {
            ([], Some(tag)) => vec![tag.to_owned()],
            ([], None) if self.image_tag(document).is_none() => Vec::new(),
            ([], None) if document.is_converted() => vec!["{tag}".to_owned()],
            ([], None) => vec![format!("{{tag}}{CONVERTED_TAG_SUFFIX}")],
            (templates, _) => templates.to_vec(),
        }
    }

    /// Returns the tags from which the tag of the image is derived if the image is the output of an
    /// earlier run with the same templates: `v1` for `v1-soci`.
    fn original_tags(&self, document: &Document) -> Vec<String> {
        let Some(image_tag) = self.image_tag(document) else {
            return Vec::new();
        };
        let original = |template: String| {
            let template = fill_placeholders(&template, document);
            let (prefix, suffix) = template.split_once("{tag}")?;
            let original = image_tag.strip_prefix(prefix)?.strip_suffix(suffix)?;
            (!original.is_empty() && original != image_tag).then(|| original.to_owned())
        };
        let templates = self.templates_for(document);
        templates.into_iter().filter_map(original).collect()
    }

    /// Returns whether the image is pushed to where it is.
    pub(crate) fn is_in_place(&self) -> bool {
        self.destination.same_repository(self.image)
    }

    /// Returns the tag of the image, or its name in a layout.
    ///
    /// Some tools name an image in a layout by a full reference, such as
    /// `docker.io/library/app:v1`. That is no valid tag in a registry, so its tag is used there.
    fn image_tag(&self, document: &Document) -> Option<String> {
        let name = document.root.annotations.get(REF_NAME).map(String::as_str);
        let name = self.image.tag().or(name)?;
        if !self.is_to_registry() || !name.contains(['/', ':']) {
            return Some(name.to_owned());
        }
        let tag = match name.rsplit_once(':') {
            Some((_, tag)) if !tag.contains('/') => tag,
            _ => "latest",
        };
        Some(tag.to_owned())
    }

    /// Checks that the destination can have a tag. A layout also permits full references.
    fn check_tag(&self, tag: &str) -> Result<(), Failure> {
        let shown = hide_credentials(tag);
        let is_valid = if shown != tag {
            false
        } else if self.is_to_registry() {
            is_tag(tag)
        } else {
            is_tag(&tag.replace(['/', ':', '@', '+'], "_"))
        };
        if is_valid {
            return Ok(());
        }
        let length = tag.chars().count();
        let tag: String = shown.escape_debug().take(150).collect();
        let message = format!(
            "tag `{tag}` of {length} characters: expected up to {MAX_TAG_LENGTH} letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
        );
        Err(Failure::message(Exit::Usage, message).hint("name another tag with --tag"))
    }

    const fn is_to_registry(&self) -> bool {
        matches!(self.destination, Reference::Registry(_))
    }
}

/// Replaces `{arch}`, `{digest}` and `{tag}` in a template.
fn fill_template(
    template: &str,
    image_tag: Option<&str>,
    document: &Document,
) -> Result<String, Failure> {
    let tag = fill_placeholders(template, document);
    if !tag.contains("{tag}") {
        return Ok(tag);
    }
    match image_tag {
        Some(image_tag) => Ok(tag.replace("{tag}", image_tag)),
        None => Err(Failure::message(
            Exit::Usage,
            format!(
                "tag `{}`: the image has no tag to fill in, since it was named by its digest",
                hide_credentials(template)
            ),
        )
        .hint("name the tag with --tag")),
    }
}

/// Replaces `{arch}` and `{digest}` in a template.
fn fill_placeholders(template: &str, document: &Document) -> String {
    template
        .replace("{arch}", &join_architectures(document))
        .replace("{digest}", &document.root.digest.hex())
}

/// Returns whether a template has a placeholder.
fn has_placeholder(template: &str) -> bool {
    let mut placeholders = ["{arch}", "{digest}", "{tag}"].iter();
    placeholders.any(|placeholder| template.contains(placeholder))
}

/// Parses a destination, in whose tag the placeholders are replaced.
pub(crate) fn parse_destination(to: &str, document: &Document) -> Result<Reference, Failure> {
    let parse = |text: &str| -> Result<Reference, Failure> {
        let shown = hide_credentials(text);
        let context = || format!("option --to or SOCI_TO, reference `{shown}`");
        let parsed = parse_reference(text).map_err(|failure| failure.context(context()))?;
        Ok(parsed.reference().clone())
    };
    let (repository, Some(template)) = split_tag(to) else {
        return parse(to);
    };
    // What looks like a tag may be a password.
    if !template.contains('{') || hide_credentials(to) != to {
        return parse(to);
    }
    let destination = parse(repository)?;
    let naming = TagNaming {
        templates: &[],
        to: None,
        destination: &destination,
        image: document.image.reference(),
    };
    let image_tag = naming.image_tag(document);
    let tag = fill_template(template, image_tag.as_deref(), document)?;
    naming.check_tag(&tag)?;
    parse(&format!("{repository}:{tag}"))
}

/// Splits a destination into the repository, layout or archive and the tag, if it names one, and
/// leaves out a digest.
/// [`Reference`] does not tell, since it has the default tag `latest`.
fn split_tag(to: &str) -> (&str, Option<&str>) {
    let to = to.split('@').next().unwrap_or(to);
    let path = to.strip_prefix("oci:").or(to.strip_prefix("oci-archive:"));
    let start = match path {
        Some(path) => to.len() - path.len(),
        None => to.rfind('/').map_or(0, |slash| slash + 1),
    };
    match to[start..].split_once(':') {
        Some((name, tag)) => (&to[..start + name.len()], Some(tag)),
        None => (to, None),
    }
}

/// Returns the architectures that were indexed, by this or an earlier run, joined by `-`.
fn join_architectures(document: &Document) -> String {
    let is_indexed = |entry: &&ManifestEntry| entry.is_planned() || entry.soci_index.is_some();
    let mut names: Vec<&str> = document
        .manifests
        .iter()
        .filter(is_indexed)
        .filter_map(ManifestEntry::platform)
        .map(|platform| platform.architecture.as_str())
        .collect();
    names.dedup();
    names.join("-")
}

#[cfg(test)]
mod tests;
