//! The tag that `soci-push` derives for the converted image.

use soci_document::{Document, IndexVersions};
use soci_oci::reference::MAX_TAG_LENGTH;
use soci_oci::soci::CONVERTED_TAG_SUFFIX;

/// Warns if the tag that `soci-push` derives is longer than registries permit. This is no failure,
/// because `soci-push` may be given another tag. A converted image keeps its tag.
pub(crate) fn warn_of_long_tag(document: &Document) {
    if document.unchanged || document.is_converted() {
        return;
    }
    let versions = document.plan.as_ref().map(|plan| plan.index_version);
    let tag = document.image.reference().tag();
    if let (Some(IndexVersions::V2 | IndexVersions::Both), Some(tag)) = (versions, tag)
        && let length = tag.chars().count() + CONVERTED_TAG_SUFFIX.len()
        && length > MAX_TAG_LENGTH
    {
        let image = document.image.as_str();
        let hint = "name a shorter tag with the option --tag of soci-push";
        tracing::warn!(
            image,
            hint,
            "the tag of the converted image, with `{CONVERTED_TAG_SUFFIX}` at its end, has {length} characters; a tag has at most {MAX_TAG_LENGTH}"
        );
    }
}
