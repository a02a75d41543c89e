//! The tags of a converted image.

use soci_cli::{Failure, parse_reference};
use soci_document::{Document, Exit, ManifestEntry};
use soci_layout::REF_NAME;
use soci_oci::Reference;
use soci_oci::reference::MAX_TAG_LENGTH;
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

impl TagNaming<'_> {
    /// Returns the tags of the converted image of `document`, each once: those of the templates,
    /// else the tag that the destination names, else the tag of the image with `-soci`. An image
    /// without a tag gets none by default.
    ///
    /// If the image is not converted, because the plan asks only for version 1, the image itself
    /// gets the tag that the destination names, or those of the templates if it is copied.
    pub(crate) fn tags_of(&self, document: &Document) -> Result<Vec<String>, Failure> {
        let explicit = self.to.filter(|to| split_tag(to).1.is_some());
        let explicit = explicit.and(self.destination.tag());
        let is_copied = !self.destination.same_repository(self.image);
        let is_tagged = explicit.is_some() || is_copied && !self.templates.is_empty();
        if document.converted.is_pending() && !is_tagged {
            return Ok(Vec::new());
        }
        let image_tag = self.image_tag(document);
        let default = [format!("{{tag}}{CONVERTED_TAG_SUFFIX}")];
        let templates = match (self.templates, explicit, &image_tag) {
            ([], Some(tag), _) => return Ok(vec![tag.to_owned()]),
            ([], None, None) => return Ok(Vec::new()),
            ([], None, Some(_)) => &default[..],
            (templates, ..) => templates,
        };
        let mut tags = Vec::new();
        for template in templates {
            let tag = fill_template(template, image_tag.as_deref(), document)?;
            self.check_tag(&tag)?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(tags)
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
        let is_layout = !self.is_to_registry();
        let is_allowed = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'.' | b'-')
                || is_layout && matches!(byte, b'/' | b':' | b'@' | b'+')
        };
        let is_valid = (1..=MAX_TAG_LENGTH).contains(&tag.len())
            && tag.bytes().all(is_allowed)
            && !tag.starts_with(['.', '-']);
        if is_valid {
            return Ok(());
        }
        let length = tag.chars().count();
        let tag: String = tag.escape_debug().take(150).collect();
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
    let tag = template
        .replace("{arch}", &join_architectures(document))
        .replace("{digest}", &document.root.digest.hex());
    if !tag.contains("{tag}") {
        return Ok(tag);
    }
    match image_tag {
        Some(image_tag) => Ok(tag.replace("{tag}", image_tag)),
        None => Err(Failure::message(
            Exit::Usage,
            format!("tag `{template}`: the image has no tag to fill in, since it was named by its digest"),
        )
        .hint("name the tag with --tag")),
    }
}

/// Parses a destination, in whose tag the placeholders are replaced.
pub(crate) fn parse_destination(to: &str, document: &Document) -> Result<Reference, Failure> {
    let parse = |text: &str| -> Result<Reference, Failure> {
        let context = || format!("option --to or SOCI_TO, reference `{text}`");
        let parsed = parse_reference(text).map_err(|failure| failure.context(context()))?;
        Ok(parsed.reference().clone())
    };
    let (repository, Some(template)) = split_tag(to) else {
        return parse(to);
    };
    if !template.contains('{') {
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

/// Returns the architectures that were indexed, joined by `-`.
fn join_architectures(document: &Document) -> String {
    let planned = document.manifests.iter().filter(|entry| entry.is_planned());
    let mut names: Vec<&str> = planned
        .filter_map(ManifestEntry::platform)
        .map(|platform| platform.architecture.as_str())
        .collect();
    names.dedup();
    names.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_oci::Descriptor;

    fn tags_of(templates: &[&str], to: Option<&str>, image: &str) -> Result<Vec<String>, Failure> {
        name_tags(templates, to, &document_of(image))
    }

    /// Returns the document of an image that was converted.
    fn document_of(image: &str) -> Document {
        let root = Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"");
        let mut descriptor = root.clone();
        descriptor.platform = Some("linux/arm64".parse().expect("a platform"));
        let manifests = serde_json::json!([{"descriptor": descriptor, "plan": {"action": "index"}, "layers": []}]);
        let value = serde_json::json!({"version": 1, "image": image, "root": root, "manifests": manifests, "converted": root});
        serde_json::from_value(value).expect("a document")
    }

    fn name_tags(
        templates: &[&str],
        to: Option<&str>,
        document: &Document,
    ) -> Result<Vec<String>, Failure> {
        let templates: Vec<String> = templates.iter().map(ToString::to_string).collect();
        let destination = parse_destination(to.unwrap_or(document.image.as_str()), document)?;
        let naming = TagNaming {
            templates: &templates,
            to,
            destination: &destination,
            image: document.image.reference(),
        };
        naming.tags_of(document)
    }

    #[test]
    fn are_derived_from_the_tag_of_the_image() {
        assert_eq!(
            tags_of(&[], None, "r.example/a:v1").expect("tags"),
            ["v1-soci"]
        );
        assert_eq!(tags_of(&[], None, "oci:dir:v1").expect("tags"), ["v1-soci"]);
        let full = "oci:dir:docker.io/library/a:v1";
        assert_eq!(
            tags_of(&[], None, full).expect("tags"),
            ["docker.io/library/a:v1-soci"]
        );
        assert_eq!(
            tags_of(&[], Some("r.example/a"), full).expect("tags"),
            ["v1-soci"]
        );
        assert_eq!(
            tags_of(&["{tag}", "{tag}-{arch}", "{tag}"], None, "r.example/a:v1").expect("tags"),
            ["v1", "v1-arm64"]
        );
    }

    #[test]
    fn are_taken_from_a_destination_that_names_one() {
        assert_eq!(
            tags_of(&[], Some("r.example:5000/b:lazy"), "r.example/a:v1").expect("tags"),
            ["lazy"]
        );
        assert_eq!(
            tags_of(&[], Some("r.example:5000/b"), "r.example/a:v1").expect("tags"),
            ["v1-soci"]
        );
        assert_eq!(
            tags_of(&[], Some("oci:dir:lazy"), "r.example/a:v1").expect("tags"),
            ["lazy"]
        );
        assert_eq!(
            tags_of(&["x"], Some("r.example/b:lazy"), "r.example/a:v1").expect("tags"),
            ["x"]
        );
    }

    #[test]
    fn are_filled_in_in_the_destination() {
        let image = "r.example/a:v1";
        for (to, tag) in [
            ("r.example:5000/b:{tag}", "v1"),
            ("r.example/b:x-{tag}-{arch}", "x-v1-arm64"),
            ("b:{tag}", "v1"),
            ("[::1]:5000/b:{tag}", "v1"),
            ("oci:dir:{tag}", "v1"),
            ("oci-archive:a.tar:{arch}", "arm64"),
        ] {
            assert_eq!(tags_of(&[], Some(to), image).expect(to), [tag], "{to}");
        }
        for to in ["r.example/b:{other}", "r.example/b:{tag}{tag", "oci:d:{x}"] {
            let failure = tags_of(&[], Some(to), image).expect_err(to);
            assert_eq!(failure.exit, Exit::Usage, "{to}");
        }
    }

    #[test]
    fn of_an_image_that_is_not_converted_are_those_that_the_user_named() {
        let mut document = document_of("r.example/a:v1");
        document.converted = soci_document::Indexing::Pending;
        for (templates, to, tags) in [
            (&[][..], None, &[][..]),
            (&[], Some("r.example/b"), &[]),
            (&[], Some("r.example/b:v1"), &["v1"]),
            (&[], Some("r.example/b:{tag}"), &["v1"]),
            (&["x"], Some("r.example/b"), &["x"]),
            (&["x"], None, &[]),
        ] {
            let named = name_tags(templates, to, &document).expect("tags");
            assert_eq!(named, tags, "{templates:?} {to:?}");
        }
    }

    #[test]
    fn are_rejected_if_they_are_malformed_or_cannot_be_filled_in() {
        let digest = soci_oci::Digest::of(b"");
        assert!(
            tags_of(&[], None, &format!("r.example/a@{digest}"))
                .expect("no tag")
                .is_empty()
        );
        assert_eq!(
            tags_of(&["{tag}"], None, &format!("r.example/a@{digest}"))
                .expect_err("no tag")
                .exit,
            Exit::Usage
        );
        for bad in ["", "a b", "../a", "-a", "{other}"] {
            assert_eq!(
                tags_of(&[bad], None, "r.example/a:v1").expect_err(bad).exit,
                Exit::Usage
            );
        }
    }
}
