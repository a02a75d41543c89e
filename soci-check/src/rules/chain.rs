//! Rules of the chain of manifests from the tag to the SOCI index.

use soci_document::Severity;

use crate::rule::{NOTHING, Rule};

/// The tag that was pushed does not exist.
pub(crate) const TAG_MISSING: &Rule = &Rule {
    name: "tag-missing",
    severity: Severity::Error,
    meaning: "nothing can be deployed under this tag",
    cure: "push the image and its SOCI index again with `soci-push`",
};

/// The tag that was pushed names something else by now.
pub(crate) const TAG_MOVED: &Rule = &Rule {
    name: "tag-moved",
    severity: Severity::Error,
    meaning: "a deployment of the tag gets another image than the one that was pushed",
    cure: "find out what else pushes this tag, then push the image again with `soci-push`",
};

/// An image manifest that the index lists does not exist.
pub(crate) const MANIFEST_MISSING: &Rule = &Rule {
    name: "manifest-missing",
    severity: Severity::Warning,
    meaning: "the image cannot start on this platform",
    cure: "copy all platforms of the image, such as with `skopeo copy --all`",
};

/// A manifest is not what its descriptor says, or is malformed.
pub(crate) const MANIFEST_DAMAGED: &Rule = &Rule {
    name: "manifest-damaged",
    severity: Severity::Error,
    meaning: "a container cannot start from it",
    cure: "push the image again",
};

/// The configuration of an image with a SOCI index is missing, damaged or malformed.
pub(crate) const CONFIG_DAMAGED: &Rule = &Rule {
    name: "config-damaged",
    severity: Severity::Error,
    meaning: "a container cannot start from the image",
    cure: "push the image again",
};

/// The configuration of an image without a SOCI index is missing, damaged or malformed.
pub(crate) const CONFIG_UNUSABLE: &Rule = &Rule {
    name: "config-unusable",
    severity: Severity::Warning,
    meaning: "a container cannot start from the image on this platform",
    cure: "push the image again",
};

/// A layer does not exist.
pub(crate) const LAYER_MISSING: &Rule = &Rule {
    name: "layer-missing",
    severity: Severity::Error,
    meaning: "a container cannot start from the image",
    cure: "push the image again with all of its layers",
};

/// A layer has another size than its descriptor says.
pub(crate) const LAYER_SIZE: &Rule = &Rule {
    name: "layer-size",
    severity: Severity::Error,
    meaning: "a container cannot read the layer",
    cure: "push the image again",
};

/// A foreign layer is not in the repository.
pub(crate) const FOREIGN_LAYER: &Rule = &Rule {
    name: "foreign-layer",
    severity: Severity::Note,
    meaning: "the layer is downloaded from elsewhere, and is not loaded lazily",
    cure: "push the image with its foreign layers",
};

/// The annotation that names the SOCI index is no digest.
pub(crate) const INDEX_DIGEST: &Rule = &Rule {
    name: "index-digest-malformed",
    severity: Severity::Error,
    meaning: "readers find no SOCI index of version 2, and pull the image as a whole",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The SOCI index does not exist.
pub(crate) const SOCI_INDEX_MISSING: &Rule = &Rule {
    name: "soci-index-missing",
    severity: Severity::Error,
    meaning: "readers do not fall back to version 1, and pull the image as a whole",
    cure: "push the image and its SOCI index again with `soci-push`",
};

/// The SOCI index is not what its descriptor says, or is malformed.
pub(crate) const SOCI_INDEX_DAMAGED: &Rule = &Rule {
    name: "soci-index-damaged",
    severity: Severity::Error,
    meaning: "readers refuse the SOCI index, and pull the image as a whole",
    cure: "push the image and its SOCI index again with `soci-push`",
};

/// The image index does not list the SOCI index.
pub(crate) const NOT_LISTED: &Rule = &Rule {
    name: "soci-index-not-listed",
    severity: Severity::Error,
    meaning: "copying the image, or cleaning up the registry, loses the SOCI index",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// An image of one manifest names a SOCI index that no image index lists.
pub(crate) const INHERITED: &Rule = &Rule {
    name: "soci-index-unlisted",
    severity: Severity::Warning,
    meaning: "copying the image, or cleaning up the registry, loses the SOCI index",
    cure: "index the image itself, since the annotation may be that of its base image",
};

/// The image index lists a SOCI index, but its image manifest does not name it.
pub(crate) const NOT_NAMED: &Rule = &Rule {
    name: "soci-index-not-named",
    severity: Severity::Error,
    meaning: "readers find a SOCI index of version 2 only by the annotation of the image manifest",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The image index lists a SOCI index for a manifest that it does not list.
pub(crate) const ORPHAN: &Rule = &Rule {
    name: "soci-index-orphan",
    severity: Severity::Error,
    meaning: "no reader finds the SOCI index",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The entry of the SOCI index names another image manifest.
pub(crate) const LINK: &Rule = &Rule {
    name: "soci-index-link",
    severity: Severity::Error,
    meaning: "tools that copy or clean up take the SOCI index for that of another image",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The entry of the SOCI index has another artifact type or media type.
pub(crate) const ENTRY_TYPE: &Rule = &Rule {
    name: "soci-index-entry-type",
    severity: Severity::Error,
    meaning: "AWS and tools that copy images do not recognise the SOCI index",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The entry of the SOCI index has another platform than its image.
pub(crate) const ENTRY_PLATFORM: &Rule = &Rule {
    name: "soci-index-platform",
    severity: Severity::Error,
    meaning: "tools that copy one platform lose the SOCI index",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The SOCI index stands before its image.
pub(crate) const ENTRY_FIRST: &Rule = &Rule {
    name: "soci-index-before-image",
    severity: Severity::Error,
    meaning: "readers take the first entry of a platform, so that they take the SOCI index for the image",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// The entry of an image manifest names another SOCI index than the manifest.
pub(crate) const ENTRY_ANNOTATION: &Rule = &Rule {
    name: "entry-annotation",
    severity: Severity::Warning,
    meaning: "readers read the annotation of the manifest, and other tools that of the entry",
    cure: "index the image again with `soci-index`, and push it with `soci-push`",
};

/// A manifest that names a SOCI index, or the index that lists it, has not the media type of OCI.
pub(crate) const NOT_OCI: &Rule = &Rule {
    name: "not-oci-manifest",
    severity: Severity::Error,
    meaning: "readers take SOCI indexes of version 2 only from OCI manifests",
    cure: "convert the image with `soci-index`, which writes OCI manifests",
};

/// The configuration of a converted image has a media type of Docker.
pub(crate) const DOCKER_CONFIG: &Rule = &Rule {
    name: "docker-config",
    severity: Severity::Warning,
    meaning: "the manifest mixes media types of OCI and Docker, which some tools refuse",
    cure: "convert the image with `soci-index`, which writes OCI media types",
};

/// A layer of a converted image has a media type of Docker.
pub(crate) const DOCKER_LAYER: &Rule = &Rule {
    name: "docker-layer",
    severity: Severity::Note,
    meaning: "readers accept it, but a tool that converts the image to OCI media types changes its digest",
    cure: NOTHING,
};

/// An attestation names a manifest that the image index does not list.
pub(crate) const ATTESTATION: &Rule = &Rule {
    name: "attestation-detached",
    severity: Severity::Warning,
    meaning: "tools do not find the provenance or the SBOM of the image",
    cure: "convert the image with `soci-index`, which keeps attestations",
};

/// A manifest has several SOCI indexes of version 1.
pub(crate) const SEVERAL_VERSION_1: &Rule = &Rule {
    name: "several-version-1",
    severity: Severity::Warning,
    meaning: "readers take the first one that the registry lists, and its order is not defined",
    cure: "delete the SOCI indexes of version 1 that are out of date",
};

/// The registry does not list a SOCI index of version 1 that was pushed.
pub(crate) const VERSION_1_NOT_LISTED: &Rule = &Rule {
    name: "version-1-not-listed",
    severity: Severity::Error,
    meaning: "readers find a SOCI index of version 1 only in the list of referrers",
    cure: "push the image and its SOCI index again with `soci-push`",
};

/// A manifest has more SOCI indexes of version 1 than are checked.
pub(crate) const TOO_MANY_VERSION_1: &Rule = &Rule {
    name: "version-1-unchecked",
    severity: Severity::Note,
    meaning: "the others were not checked",
    cure: "delete the SOCI indexes of version 1 that are out of date",
};

#[cfg(test)]
pub(crate) const ALL: &[&Rule] = &[
    TAG_MISSING,
    TAG_MOVED,
    MANIFEST_MISSING,
    MANIFEST_DAMAGED,
    CONFIG_DAMAGED,
    CONFIG_UNUSABLE,
    LAYER_MISSING,
    LAYER_SIZE,
    FOREIGN_LAYER,
    INDEX_DIGEST,
    SOCI_INDEX_MISSING,
    SOCI_INDEX_DAMAGED,
    NOT_LISTED,
    INHERITED,
    NOT_NAMED,
    ORPHAN,
    LINK,
    ENTRY_TYPE,
    ENTRY_PLATFORM,
    ENTRY_FIRST,
    ENTRY_ANNOTATION,
    NOT_OCI,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    ATTESTATION,
    SEVERAL_VERSION_1,
    VERSION_1_NOT_LISTED,
    TOO_MANY_VERSION_1,
];
