//! The tags of a converted image.

use soci_cli::Failure;
use soci_document::{Document, Exit, ManifestEntry};
use soci_layout::REF_NAME;
use soci_oci::Reference;
use soci_oci::soci::CONVERTED_TAG_SUFFIX;

/// What the tags of a document are made of.
pub(crate) struct Tags<'a> {
    /// The templates that the user gave.
    pub(crate) templates: &'a [String],
    /// The destination as the user wrote it, where one was given.
    pub(crate) to: Option<&'a str>,
    /// The destination.
    pub(crate) place: &'a Reference,
    /// The image.
    pub(crate) source: &'a Reference,
}

impl Tags<'_> {
    /// Returns the tags of `document`, each once.
    ///
    /// A destination that names a tag means that one. An image without a tag has none to make another of.
    pub(crate) fn of(&self, document: &Document) -> Result<Vec<String>, Failure> {
        let explicit = self.to.filter(|to| names_tag(to)).and(self.place.tag());
        let own = self.own(document);
        let default = [format!("{{tag}}{CONVERTED_TAG_SUFFIX}")];
        let templates = match (self.templates, explicit, &own) {
            ([], Some(tag), _) => return Ok(vec![tag.to_owned()]),
            ([], None, None) => return Ok(Vec::new()),
            ([], None, Some(_)) => &default[..],
            (named, ..) => named,
        };
        let mut tags = Vec::new();
        for template in templates {
            let tag = self.fill(template, own.as_deref(), document)?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    /// Returns the image's own tag, or its name in a layout. A registry cannot have every such name for a tag: of a full
    /// reference, which some tools write there, its tag is taken.
    fn own(&self, document: &Document) -> Option<String> {
        let named = document.root.annotations.get(REF_NAME).map(String::as_str);
        let name = self.source.tag().or(named)?;
        if !matches!(self.place, Reference::Registry(_)) || !name.contains(['/', ':']) {
            return Some(name.to_owned());
        }
        Some(
            name.rsplit_once(':')
                .map_or(
                    "latest",
                    |(_, tag)| if tag.contains('/') { "latest" } else { tag },
                )
                .to_owned(),
        )
    }

    /// Fills in a template and checks the result.
    fn fill(
        &self,
        template: &str,
        own: Option<&str>,
        document: &Document,
    ) -> Result<String, Failure> {
        let usage = |message: String| Failure::message(Exit::Usage, message);
        let mut tag = template.replace("{arch}", &architectures(document));
        tag = tag.replace("{digest}", &document.root.digest.hex());
        if tag.contains("{tag}") {
            let own = own.ok_or_else(|| {
                usage(format!("tag `{template}`: the image was named by its digest, so it has no tag to fill in"))
                    .hint("name the tag with --tag")
            })?;
            tag = tag.replace("{tag}", own);
        }
        let in_layout = !matches!(self.place, Reference::Registry(_));
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'.' | b'-')
                || in_layout && matches!(byte, b'/' | b':' | b'@' | b'+')
        };
        if tag.is_empty()
            || tag.len() > 128
            || !tag.bytes().all(allowed)
            || tag.starts_with(['.', '-'])
        {
            let tag: String = tag.escape_debug().take(150).collect();
            return Err(usage(format!(
                "tag `{tag}`: expected up to 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
            )));
        }
        Ok(tag)
    }
}

/// Says whether a destination names a tag itself, rather than leave it to the default.
fn names_tag(to: &str) -> bool {
    if let Some(place) = to.strip_prefix("oci:").or(to.strip_prefix("oci-archive:")) {
        return place.contains(':');
    }
    to.split('@')
        .next()
        .unwrap_or(to)
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains(':'))
}

/// Returns the architectures that were indexed, joined by `-`.
fn architectures(document: &Document) -> String {
    let planned = document.manifests.iter().filter(|entry| entry.is_planned());
    let mut names: Vec<String> = planned
        .filter_map(ManifestEntry::platform)
        .map(|platform| platform.architecture.clone())
        .collect();
    names.dedup();
    names.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_oci::Descriptor;

    fn made(templates: &[&str], to: Option<&str>, image: &str) -> Result<Vec<String>, Failure> {
        let root = Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"");
        let mut descriptor = root.clone();
        descriptor.platform = Some("linux/arm64".parse().expect("a platform"));
        let manifests = serde_json::json!([{"descriptor": descriptor, "plan": {"action": "index"}, "layers": []}]);
        let value =
            serde_json::json!({"version": 1, "image": image, "root": root, "manifests": manifests});
        let document = serde_json::from_value(value).expect("a document");
        let templates: Vec<String> = templates.iter().map(ToString::to_string).collect();
        let source = image.parse().expect("a reference");
        let place = to.unwrap_or(image).parse().expect("a reference");
        Tags {
            templates: &templates,
            to,
            place: &place,
            source: &source,
        }
        .of(&document)
    }

    #[test]
    fn follow_the_tag_of_the_image() {
        assert_eq!(
            made(&[], None, "r.example/a:v1").expect("tags"),
            ["v1-soci"]
        );
        assert_eq!(made(&[], None, "oci:dir:v1").expect("tags"), ["v1-soci"]);
        let full = "oci:dir:docker.io/library/a:v1";
        assert_eq!(
            made(&[], None, full).expect("tags"),
            ["docker.io/library/a:v1-soci"]
        );
        assert_eq!(
            made(&[], Some("r.example/a"), full).expect("tags"),
            ["v1-soci"]
        );
        assert_eq!(
            made(&["{tag}", "{tag}-{arch}", "{tag}"], None, "r.example/a:v1").expect("tags"),
            ["v1", "v1-arm64"]
        );
    }

    #[test]
    fn follow_a_destination_that_names_one() {
        assert_eq!(
            made(&[], Some("r.example:5000/b:lazy"), "r.example/a:v1").expect("tags"),
            ["lazy"]
        );
        assert_eq!(
            made(&[], Some("r.example:5000/b"), "r.example/a:v1").expect("tags"),
            ["v1-soci"]
        );
        assert_eq!(
            made(&[], Some("oci:dir:lazy"), "r.example/a:v1").expect("tags"),
            ["lazy"]
        );
        assert_eq!(
            made(&["x"], Some("r.example/b:lazy"), "r.example/a:v1").expect("tags"),
            ["x"]
        );
    }

    #[test]
    fn are_checked() {
        let digest = soci_oci::Digest::of(b"");
        assert!(
            made(&[], None, &format!("r.example/a@{digest}"))
                .expect("no tag")
                .is_empty()
        );
        assert_eq!(
            made(&["{tag}"], None, &format!("r.example/a@{digest}"))
                .expect_err("no tag")
                .exit,
            Exit::Usage
        );
        for bad in ["", "a b", "../a", "-a", "{other}"] {
            assert_eq!(
                made(&[bad], None, "r.example/a:v1").expect_err(bad).exit,
                Exit::Usage
            );
        }
    }
}
