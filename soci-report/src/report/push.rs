//! What was pushed, and what to deploy.

use soci_document::{Push, ReferrersVia, Summary};

use crate::clean::clean;
use crate::report::State;

/// What was pushed of an image.
#[derive(Clone, Debug)]
pub(crate) struct PushReport {
    /// The destination: a repository, a layout or an archive.
    pub(crate) repository: String,
    /// How readers find an index of version 1, as a part of a sentence.
    pub(crate) referrers: Option<&'static str>,
    /// Blobs and manifests that were uploaded.
    pub(crate) uploaded: u64,
    /// Blobs and manifests that were there.
    pub(crate) existing: u64,
    /// Bytes that were uploaded.
    pub(crate) bytes: u64,
    pub(crate) is_dry_run: bool,
}

/// What to deploy, so that containers start lazily.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deployment {
    /// References of the same image; any of them will do. Empty if there is nothing to deploy.
    pub(crate) references: Vec<String>,
    /// What a user has to know about it, as a phrase. Empty if there is nothing to deploy.
    pub(crate) note: &'static str,
}

/// The most references that are displayed for one image.
const MAX_REFERENCES: usize = 20;

impl Deployment {
    /// Returns what to deploy of an image in the given state.
    pub(crate) fn of(summary: &Summary<'_>, state: State) -> Self {
        let tags = summary.tags().iter().take(MAX_REFERENCES);
        let tags = tags.map(|tag| match tag.digest {
            Some(digest) => format!("{}@{digest}", clean(&tag.tag)),
            None => clean(&tag.tag).into_owned(),
        });
        let mut references: Vec<String> = tags.collect();
        let note = match (state, references.is_empty()) {
            (State::DryRun, _) => "dry run: nothing was pushed",
            (_, true) if has_version_1(summary) => {
                references.push(clean(summary.document.image.as_str()).into_owned());
                "the image as it is: readers find its index of version 1"
            }
            (_, true) => return Self::default(),
            (State::Unchanged, false) => "as it was before: nothing was pushed",
            (_, false) if summary.is_converted() => "the image with its index of version 2",
            (_, false) => "the original image: no layer is indexed, so containers pull it whole",
        };
        Self { references, note }
    }
}

/// Returns whether the destination holds an index of version 1. Documents of earlier releases do
/// not list the indexes.
fn has_version_1(summary: &Summary<'_>) -> bool {
    let via = summary.push().map(|push| push.referrers);
    summary.version_1().next().is_some() || via.is_some_and(|via| via != ReferrersVia::None)
}

impl PushReport {
    pub(crate) fn new(push: &Push) -> Self {
        Self {
            repository: clean(&push.repository).into_owned(),
            referrers: match push.referrers {
                ReferrersVia::Api => Some("the referrers API"),
                ReferrersVia::Tag => Some("the fallback tag"),
                ReferrersVia::None => None,
            },
            uploaded: push.uploaded,
            existing: push.existing,
            bytes: push.bytes,
            is_dry_run: push.dry_run,
        }
    }
}
