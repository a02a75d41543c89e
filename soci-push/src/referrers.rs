//! Pushes SOCI indexes of version 1, which readers find as referrers of their image manifest.

use clap::ValueEnum;
use soci_cli::Failure;
use soci_document::ReferrersVia;
use soci_oci::Descriptor;
use soci_oci::media_type::SOCI_INDEX_V1;
use soci_transport::{PutOutcome, Referrers};

use crate::content::{Manifest, Referrer};
use crate::uploader::Uploader;

/// What to do if the image already has another SOCI index of version 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ExistingIndex {
    /// Push the index, and print a warning
    Warn,
    /// Do not push the index of version 1
    Skip,
    /// Push the index without looking for others
    Allow,
}

/// What came of a SOCI index of version 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReferrerOutcome {
    /// The image has another index of version 1, which was left as it is.
    LeftOut,
    /// The destination holds the index.
    Pushed {
        /// How readers find the index. `None` in a dry run.
        via: Option<ReferrersVia>,
    },
}

/// Pushes a SOCI index of version 1 and lists it as a referrer of its image manifest.
pub(crate) fn push_referrer(
    uploader: &Uploader<'_>,
    referrer: &Referrer,
    existing: ExistingIndex,
) -> Result<ReferrerOutcome, Failure> {
    let Referrer { subject, index, .. } = referrer;
    let mut listed = None;
    if existing == ExistingIndex::Skip {
        listed = list_indexes(uploader, subject).map_err(|failure| {
            failure
                .context_unless_named(format!("cannot list the referrers of `{}`", subject.digest))
        })?;
        if let Some(other) = find_existing(uploader, listed.as_ref(), index)? {
            warn_of_existing(subject, other, "it is kept, and no other one is pushed");
            return Ok(ReferrerOutcome::LeftOut);
        }
    }
    let put = uploader.upload_manifest(index)?;
    let index = &index.descriptor;
    let unlisted = |failure: Failure| {
        failure.context(format!(
            "pushed the index `{}`, but cannot list it as a referrer",
            index.digest
        ))
    };
    // The list is read after the push, so that a registry without a readable list still gets the
    // index.
    if existing == ExistingIndex::Warn {
        listed = list_indexes(uploader, subject).map_err(unlisted)?;
        if let Some(other) = other_indexes(listed.as_ref(), index).next() {
            warn_of_existing(subject, other, "the new one is pushed beside it");
        }
    }
    // Some registries send `OCI-Subject` and have no referrers API. If the list cannot be read, the
    // header is believed.
    if existing == ExistingIndex::Allow && put == Some(PutOutcome::StoredAsReferrer) {
        listed = list_indexes(uploader, subject).unwrap_or_default();
    }
    // A list that names the index shows that the registry has it, and so does the fallback tag.
    let is_listed = listed
        .as_ref()
        .is_some_and(|listed| listed.contains(index.digest) || listed.via != ReferrersVia::Api);
    if put == Some(PutOutcome::StoredAsReferrer) && !is_listed {
        uploader.check_manifest(&referrer.index)?;
    }
    // An index that existed already may be missing from the list in the fallback tag.
    let put = put.unwrap_or(PutOutcome::Stored);
    let via = uploader
        .add_referrer(subject.digest, index, put, listed)
        .map_err(|error| unlisted(error.into()))?;
    Ok(ReferrerOutcome::Pushed { via })
}

/// Lists the SOCI indexes of version 1 of an image manifest.
fn list_indexes(
    uploader: &Uploader<'_>,
    subject: &Descriptor,
) -> Result<Option<Referrers>, Failure> {
    Ok(uploader.list_referrers(subject.digest, SOCI_INDEX_V1)?)
}

/// Returns another index that is listed and exists. A list in the fallback tag may name indexes
/// that were deleted.
fn find_existing<'a>(
    uploader: &Uploader<'_>,
    listed: Option<&'a Referrers>,
    index: &'a Manifest,
) -> Result<Option<&'a Descriptor>, Failure> {
    for other in other_indexes(listed, &index.descriptor) {
        if uploader.has_manifest(other)? {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// Returns the listed indexes other than `index`.
fn other_indexes<'a>(
    listed: Option<&'a Referrers>,
    index: &'a Descriptor,
) -> impl Iterator<Item = &'a Descriptor> {
    let listed = listed.into_iter().flat_map(|listed| &listed.descriptors);
    listed.filter(|other| other.digest != index.digest)
}

/// Warns that the image has another index of version 1, and what is done about it.
fn warn_of_existing(subject: &Descriptor, other: &Descriptor, action: &str) {
    tracing::warn!(manifest = %subject.digest, index = %other.digest, "the image already has another SOCI index of version 1; {action}");
}
