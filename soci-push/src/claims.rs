//! The tags that the images of one run take, so that no image replaces another one of the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use soci_cli::Failure;
use soci_document::{Exit, ImageReference};
use soci_oci::Digest;

use crate::targets::Targets;

/// The tags of the images of one run.
#[derive(Default)]
pub(crate) struct Claims {
    /// The tags that were taken, as full references, each with its claim.
    taken: BTreeMap<String, Claim>,
    /// The hashes of the full references of all tags. A run may have a million of them.
    named: BTreeSet<u64>,
}

/// What takes a tag.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) image: ImageReference,
    /// The digest that the tag is to name.
    pub(crate) digest: Digest,
    /// Whether the image was converted before, so that it keeps its tag when it is copied.
    pub(crate) is_converted: bool,
}

impl Claims {
    /// Returns whether an image before named one of the tags of `targets`. The later image is then
    /// pushed after the earlier one, so that the tag names the later one in the end.
    pub(crate) fn repeat_tag(&mut self, targets: &Targets) -> bool {
        let mut is_repeated = false;
        for tag in &targets.tags {
            let mut hasher = DefaultHasher::new();
            targets.full_tag(tag).hash(&mut hasher);
            is_repeated |= !self.named.insert(hasher.finish());
        }
        is_repeated
    }

    /// Takes all tags of `targets`, or returns an error if another image of this run has one of
    /// them. An image may be pushed twice. What was converted before may also be converted again: a
    /// job over all tags copies `v1-soci`, and makes the same of `v1`.
    pub(crate) fn take(&mut self, claim: &Claim, targets: &Targets) -> Result<(), Failure> {
        let tags = targets.tags.iter();
        let names: Vec<String> = tags.map(|tag| targets.full_tag(tag)).collect();
        for name in &names {
            if let Some(other) = self.taken.get(name)
                && other.image.reference() != claim.image.reference()
                && !is_same_conversion(other, claim)
            {
                let repository = targets.repository();
                return Err(conflict(name, &repository, [&other.image, &claim.image]));
            }
        }
        for name in names {
            self.taken.entry(name).or_insert_with(|| claim.clone());
        }
        Ok(())
    }
}

/// Returns whether one image is the converted form of the other.
fn is_same_conversion(one: &Claim, other: &Claim) -> bool {
    one.digest == other.digest && one.is_converted != other.is_converted
}

/// Returns the error for two images with the same destination.
fn conflict(name: &str, repository: &str, images: [&ImageReference; 2]) -> Failure {
    let [first, second] = images;
    let message = format!("`{name}` is the destination of both `{first}` and `{second}`");
    let hint = if first.reference().tag() == second.reference().tag() {
        "push each image in a run of its own, with another --to".to_owned()
    } else {
        format!("give each image its own tag, such as with `--to {repository}:{{tag}}`")
    };
    Failure::message(Exit::Usage, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(destination: &str, tags: &[&str]) -> Targets {
        Targets {
            destination: destination.parse().expect("a reference"),
            image: Digest::of(b"image"),
            tags: tags.iter().map(ToString::to_string).collect(),
            kept_tag: None,
            original_tags: Vec::new(),
            source: None,
        }
    }

    /// Returns the claim of an image whose content is its reference.
    fn image(text: &str) -> Claim {
        claim(text, text)
    }

    fn claim(image: &str, content: &str) -> Claim {
        Claim {
            image: image.parse().expect("a reference"),
            digest: Digest::of(content.as_bytes()),
            is_converted: image.ends_with("-soci"),
        }
    }

    #[test]
    fn permit_a_converted_image_beside_its_original() {
        let mut claims = Claims::default();
        let targets = targets("r.example/all", &["v1-soci"]);
        let converted = claim("app:v1", "converted");
        claims.take(&converted, &targets).expect("free");
        let copied = claim("app:v1-soci", "converted");
        claims.take(&copied, &targets).expect("the same image");
        let same = claim("app:v2", "converted");
        claims.take(&same, &targets).expect_err("taken");
        let other = claim("app:v1-soci", "converted earlier");
        claims.take(&other, &targets).expect_err("taken");
    }

    #[test]
    fn reject_a_second_image_and_name_both() {
        let mut claims = Claims::default();
        let first = targets("r.example/all", &["a", "b"]);
        claims.take(&image("app:v1"), &first).expect("free");
        claims
            .take(&image("docker.io/library/app:v1"), &first)
            .expect("the same image");
        let second = targets("r.example/all", &["c", "b"]);
        let failure = claims.take(&image("app:v2"), &second).expect_err("taken");
        assert_eq!(failure.exit, Exit::Usage);
        let message = failure.error.to_string();
        for text in ["`r.example/all:b`", "`app:v1`", "`app:v2`"] {
            assert!(message.contains(text), "{message}");
        }
        let hint = failure.hint.expect("a hint");
        assert!(hint.contains("--to r.example/all:{tag}"), "{hint}");
        let free = targets("r.example/other", &["b"]);
        claims.take(&image("app:v2"), &free).expect("free");
    }

    #[test]
    fn do_not_advise_a_template_that_gives_the_same_tag() {
        let mut claims = Claims::default();
        let targets = targets("oci:all", &["v1-soci"]);
        claims.take(&image("one:v1"), &targets).expect("free");
        let failure = claims.take(&image("two:v1"), &targets).expect_err("taken");
        assert!(!failure.hint.expect("a hint").contains("{tag}"));
    }
}
