//! The tags of a converted image.

use soci_cli::Failure;
use soci_document::{Document, Exit, ManifestEntry};
use soci_layout::REF_NAME;
use soci_oci::Reference;
use soci_oci::soci::CONVERTED_TAG_SUFFIX;

/// The longest tag, in characters (OCI distribution-spec, "Pulling manifests").
const MAX_TAG_LENGTH: usize = 128;

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
    pub(crate) fn tags_of(&self, document: &Document) -> Result<Vec<String>, Failure> {
        let explicit = self.to.filter(|to| names_tag(to));
        let explicit = explicit.and(self.destination.tag());
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
        let tag: String = tag.escape_debug().take(150).collect();
        let message = format!(
            "tag `{tag}`: expected up to {MAX_TAG_LENGTH} letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
        );
        Err(Failure::message(Exit::Usage, message))
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

/// Returns whether a destination names a tag. [`Reference`] does not tell, since it has the default
/// tag `latest`.
fn names_tag(to: &str) -> bool {
    if let Some(path) = to.strip_prefix("oci:").or(to.strip_prefix("oci-archive:")) {
        return path.contains(':');
    }
    let name = to.split('@').next().unwrap_or(to);
    name.rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'))
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
        let root = Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"");
        let mut descriptor = root.clone();
        descriptor.platform = Some("linux/arm64".parse().expect("a platform"));
        let manifests = serde_json::json!([{"descriptor": descriptor, "plan": {"action": "index"}, "layers": []}]);
        let value =
            serde_json::json!({"version": 1, "image": image, "root": root, "manifests": manifests});
        let document: Document = serde_json::from_value(value).expect("a document");
        let templates: Vec<String> = templates.iter().map(ToString::to_string).collect();
        let destination = to.unwrap_or(image).parse().expect("a reference");
        let naming = TagNaming {
            templates: &templates,
            to,
            destination: &destination,
            image: document.image.reference(),
        };
        naming.tags_of(&document)
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
