//! Publishes what an image needs in its registry: manifests first, and its tags next. The SOCI
//! indexes of version 1 follow if the image is copied, and are published at the same time if it is
//! there already.
//!
//! Version 1 needs a registry with referrers, and version 2 does not. So the failure of one version
//! does not keep the other from the registry.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use soci_cli::{Failure, run_both, run_parallel};
use soci_document::{Exit, IndexVersion, PushedIndex, PushedTag, ReferrersVia};
use soci_oci::Reference;
use soci_oci::media_type::is_index;

use crate::content::{Content, Manifest};
use crate::referrers::{ExistingIndex, ReferrerOutcome, push_referrer};
use crate::targets::Targets;
use crate::uploader::Uploader;

/// What was published of one image, and what failed.
pub(crate) struct Published {
    /// The tags that name the image now.
    pub(crate) tags: Vec<PushedTag>,
    /// The SOCI indexes of the image that the destination holds now.
    pub(crate) indexes: Vec<PushedIndex>,
    /// How readers find the SOCI indexes of version 1.
    pub(crate) referrers: ReferrersVia,
    /// Whether a tag, an image without tags or a SOCI index of version 1 was published, or none was
    /// asked for.
    pub(crate) is_useful: bool,
    pub(crate) failures: Vec<Failure>,
}

/// Whether the SOCI indexes of version 1 are published after the image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum GoOn {
    Yes,
    /// The failure of the image would most likely repeat itself.
    No,
}

/// Publishes `content`, whose blobs are uploaded. A failed tag does not keep the other tags from
/// being set, nor does the failure of one version of the index keep the other from being published.
pub(crate) fn publish(
    uploader: &Uploader<'_>,
    content: &Content,
    targets: &Targets,
    existing: ExistingIndex,
) -> Published {
    let publish_referrers = || Published::of_referrers(uploader, content, existing);
    // The subjects of version 1 are among the manifests of a copied image, and what is written to a
    // layout has an order.
    let mut published = if uploader.is_registry && targets.source.is_none() {
        let publish_image = || Published::of_image(uploader, content, targets);
        let (mut referrers, (image, go_on)) = run_both(publish_referrers, publish_image);
        if go_on == GoOn::No {
            referrers.failures.retain(is_local);
        }
        image.with_referrers(referrers)
    } else {
        match Published::of_image(uploader, content, targets) {
            (image, GoOn::Yes) => image.with_referrers(publish_referrers()),
            (image, GoOn::No) => image,
        }
    };
    published.is_useful |= content.tagged.is_none() && content.referrers.is_empty();
    // A layout that cannot be written is repaired, and the whole image is pushed again.
    published.is_useful &= !published.failures.iter().any(is_local);
    published
}

impl Published {
    /// Publishes the image, and returns whether its SOCI indexes of version 1 are to follow.
    fn of_image(uploader: &Uploader<'_>, content: &Content, targets: &Targets) -> (Self, GoOn) {
        let mut published = Self::default();
        let Err(failure) = published.publish_image(uploader, content, targets) else {
            return (published, GoOn::Yes);
        };
        let is_refused = matches!(failure.exit, Exit::BadData | Exit::Protocol);
        published.failures.push(failure);
        // The subjects of version 1 are among the manifests of a copied image.
        let is_final = targets.source.is_some() || !is_refused;
        (published, if is_final { GoOn::No } else { GoOn::Yes })
    }

    /// Adds what was published of version 1.
    fn with_referrers(mut self, referrers: Self) -> Self {
        self.indexes.extend(referrers.indexes);
        self.referrers = referrers.referrers;
        self.is_useful |= referrers.is_useful;
        let explain = |failure: Failure| {
            if is_local(&failure) {
                failure
            } else {
                explain_version_2(failure, &self.tags)
            }
        };
        let failures: Vec<Failure> = referrers.failures.into_iter().map(explain).collect();
        self.failures.extend(failures);
        self
    }

    /// Uploads the manifests, and sets the tags.
    fn publish_image(
        &mut self,
        uploader: &Uploader<'_>,
        content: &Content,
        targets: &Targets,
    ) -> Result<(), Failure> {
        let tagged = content.tagged.as_ref();
        let digest = tagged.map(|manifest| manifest.descriptor.digest);
        let is_uploaded = |index: &&PushedIndex| {
            let mut manifests = content.manifests.iter();
            !manifests.any(|manifest| manifest.descriptor.digest == index.digest)
        };
        let earlier = content.version_2.iter().filter(is_uploaded);
        self.indexes.extend(earlier.cloned());
        let manifests = content.manifests.iter();
        let untagged = manifests.filter(|manifest| digest != Some(manifest.descriptor.digest));
        // An image index is taken only after the manifests that it lists, which list none.
        let (indexes, manifests): (Vec<_>, Vec<_>) =
            untagged.partition(|manifest| is_index(&manifest.descriptor.media_type));
        self.upload_manifests(uploader, content, &manifests)?;
        for index in indexes {
            uploader.upload_manifest(index)?;
        }
        match tagged {
            Some(tagged) => self.set_tags(uploader, tagged, targets),
            None => Ok(()),
        }
    }

    /// Uploads manifests that do not depend on each other, and enters those that are SOCI indexes
    /// of version 2.
    fn upload_manifests(
        &mut self,
        uploader: &Uploader<'_>,
        content: &Content,
        manifests: &[&Manifest],
    ) -> Result<(), Failure> {
        let stored = Mutex::new(BTreeSet::new());
        let keyed = manifests.iter();
        let keyed: Vec<_> = keyed.map(|each| (each.descriptor.digest, *each)).collect();
        let sent = run_parallel(
            &keyed,
            uploader.max_concurrent_manifests(),
            |manifest, _| {
                uploader.upload_manifest(manifest)?;
                let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
                stored.insert(manifest.descriptor.digest);
                Ok(())
            },
        );
        let stored = stored.into_inner().unwrap_or_else(PoisonError::into_inner);
        for manifest in manifests {
            let digest = manifest.descriptor.digest;
            let mut version_2 = content.version_2.iter();
            let entered = version_2.find(|index| index.digest == digest);
            self.indexes
                .extend(entered.filter(|_| stored.contains(&digest)).cloned());
        }
        sent.map(drop)
    }

    /// Uploads the image that is tagged, and points each tag to it.
    fn set_tags(
        &mut self,
        uploader: &Uploader<'_>,
        tagged: &Manifest,
        targets: &Targets,
    ) -> Result<(), Failure> {
        let tags = &targets.tags;
        if tags.is_empty() {
            let digest = tagged.descriptor.digest;
            tracing::warn!(%digest, "the converted image gets no tag, since the image has none; name one with --tag");
        }
        // A registry takes the manifest together with its tag. In a layout, the tag names a blob
        // that must exist.
        if tags.is_empty() || !matches!(targets.destination, Reference::Registry(_)) {
            let put = uploader.upload_manifest(tagged)?;
            if tags.is_empty() {
                // Nothing else shows that the registry has kept what it was sent.
                if put.is_some() {
                    uploader.check_manifest(tagged)?;
                }
                self.is_useful = true;
            }
        }
        for tag in tags {
            // The image gets another platform under its own tag, which another run may have moved.
            let is_own = targets.kept_tag.as_ref() == Some(tag);
            let expected = is_own.then_some(targets.image);
            match uploader.set_tag(tag, tagged, expected) {
                Ok(()) => {
                    self.tags.push(PushedTag {
                        tag: targets.full_tag(tag),
                        digest: Some(tagged.descriptor.digest),
                    });
                    self.is_useful = true;
                }
                Err(failure) if is_local(&failure) => return Err(failure),
                Err(failure) => self.failures.push(failure),
            }
        }
        Ok(())
    }

    /// Pushes the SOCI indexes of version 1, whose subjects exist.
    fn of_referrers(uploader: &Uploader<'_>, content: &Content, existing: ExistingIndex) -> Self {
        let mut published = Self::default();
        for referrer in &content.referrers {
            match push_referrer(uploader, referrer, existing) {
                Ok(ReferrerOutcome::LeftOut) => published.is_useful = true,
                Ok(ReferrerOutcome::Pushed { via }) => {
                    published.referrers = via.unwrap_or(published.referrers);
                    published.is_useful = true;
                    published.indexes.push(PushedIndex {
                        version: IndexVersion::V1,
                        digest: referrer.index.descriptor.digest,
                        platform: referrer.platform.clone(),
                    });
                }
                Err(failure) => published.failures.push(failure),
            }
        }
        published
    }
}

impl Default for Published {
    fn default() -> Self {
        Self {
            tags: Vec::new(),
            indexes: Vec::new(),
            referrers: ReferrersVia::None,
            is_useful: false,
            failures: Vec::new(),
        }
    }
}

/// Returns whether a failure is that of this machine, such as a full disk, and not of the registry.
fn is_local(failure: &Failure) -> bool {
    matches!(failure.exit, Exit::Io | Exit::StoreUnwritable)
}

/// Adds to a failure of version 1 what was published nevertheless, and the way out.
fn explain_version_2(failure: Failure, tags: &[PushedTag]) -> Failure {
    let way_out =
        "version 2 needs no referrers: leave out version 1 with `soci-plan --index-version v2`";
    let hint = match &failure.hint {
        Some(hint) => format!("{hint}; or {way_out}"),
        None => way_out.to_owned(),
    };
    let hint = match tags {
        [] => hint,
        tags => {
            let names: Vec<&str> = tags
                .iter()
                .filter_map(|tag| tag.tag.rsplit(':').next())
                .collect();
            format!("the tag {} is complete; {hint}", names.join(", "))
        }
    };
    failure
        .context("cannot publish the SOCI index of version 1")
        .hint(hint)
}
