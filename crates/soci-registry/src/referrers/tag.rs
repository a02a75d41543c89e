//! The fallback tag `sha256-<hex>`, under which clients keep the list of referrers if the registry
//! has no referrers API.
//!
//! Several clients may write the tag at the same time, and few registries honour conditional
//! writes. So this module reads the tag again after each write.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{IF_MATCH, IF_NONE_MATCH};
use soci_oci::{Descriptor, Digest, media_type};
use tokio::time::Instant;

use super::entries::malformed_list;
use super::tagged_index::TaggedIndex;
use crate::error::{Damage, Operation, RegistryError, Violation};
use crate::http::retry::{Backoff, FailureKind, wait_before_retry};
use crate::manifest::{ManifestName, ManifestResponse};
use crate::push::manifest::PutOutcome;
use crate::repository::Repository;

/// How many times the tag is written if other clients change it at the same time.
const MAX_ROUNDS: u32 = 5;

/// Most entries of a list that are looked up when the registry refuses it because of a deleted one.
const MAX_LOOKUPS: usize = 1000;

/// How long another client may take between reading the tag and writing it, as a multiple of the
/// time that one round of this client took.
const SETTLING_ROUNDS: u32 = 4;

/// The longest wait for another client's write, as a multiple of the first wait of a retry.
const MAX_SETTLING_WAITS: u32 = 8;

/// How old may be what was read of the tag when it is written. The older it is, the more likely is
/// another client's write in between, and a round more.
const MAX_AGE: Duration = Duration::from_millis(250);

/// The fallback tag of one subject.
pub(super) struct FallbackTag<'a> {
    repository: &'a Repository,
    operation: &'a Operation,
    name: String,
}

/// What a fallback tag held when it was read.
#[derive(Clone, Debug)]
pub struct ReadTag {
    /// `None` if the tag did not exist.
    pub(super) index: Option<TaggedIndex>,
    /// When the tag was asked for.
    started: Instant,
}

/// The condition of a write (RFC 9110, section 13.1).
#[derive(Clone, Debug, Eq, PartialEq)]
enum Precondition {
    /// None, because the registry sent no entity tag.
    None,
    /// The tag does not exist.
    Absent,
    /// The tag still has this entity tag.
    Unchanged(String),
}

/// The result of a conditional write.
#[derive(Debug)]
enum WriteOutcome {
    Written,
    /// The registry answered 412: the condition does not hold, or the tag is immutable, which some
    /// registries report in the same way.
    PreconditionFailed(RegistryError),
}

impl Repository {
    /// Adds a manifest to the list under the fallback tag of its subject. Other entries stay, with
    /// one exception: if the registry refuses a list with entries of deleted manifests, those are
    /// removed. If the caller has just `read` the tag, it is not read again before it is written.
    ///
    /// The index that the tag pointed to before is not deleted, because another client may have
    /// tagged the same index again.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::Protocol`] if the tag holds something other than a list, which is
    /// then not overwritten, if other clients change the tag in each of five rounds, or if none of
    /// five writes changes it. Returns another error if a request fails.
    pub async fn add_to_referrers_tag(
        &self,
        subject: Digest,
        referrer: Descriptor,
        read: Option<ReadTag>,
    ) -> Result<(), RegistryError> {
        let operation = self.operation("update referrers", subject);
        let tag = FallbackTag::new(self, &operation, subject);
        let mut read = read.filter(|read| read.started.elapsed() <= MAX_AGE);
        let mut backoff = self.transport().backoff();
        let mut rejected = None;
        let mut is_ever_changed = false;
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                wait_for_other_clients(&operation, &mut backoff).await;
            }
            let ReadTag {
                index: before,
                started,
            } = match read.take() {
                Some(read) => read,
                None => tag.read().await?,
            };
            if is_listed(before.as_ref(), &referrer) {
                backoff.record_success();
                return Ok(());
            }
            let digest = before.as_ref().map(|index| index.digest);
            // If the tag has not changed since the rejected write, the condition held, and the
            // registry had another reason.
            if let Some((digest_then, error)) = rejected.take()
                && digest_then == digest
            {
                return Err(error);
            }
            match tag.write_with_entry(before.as_ref(), &referrer).await? {
                WriteOutcome::PreconditionFailed(error) => {
                    rejected = Some((digest, error));
                    is_ever_changed = true;
                }
                WriteOutcome::Written => {
                    let after = tag.read_settled(started).await?;
                    if is_listed(after.as_ref(), &referrer) {
                        backoff.record_success();
                        return Ok(());
                    }
                    is_ever_changed |= after.map(|index| index.digest) != digest;
                }
            }
        }
        Err(operation.protocol(if is_ever_changed {
            Violation::Lost {
                tag: tag.name,
                rounds: MAX_ROUNDS,
            }
        } else {
            Violation::NotKept
        }))
    }
}

/// Waits before the next round, because other clients have changed the tag in this one.
async fn wait_for_other_clients(operation: &Operation, backoff: &mut Backoff<'_>) {
    let wait = backoff
        .next_delay(FailureKind::Transient)
        .unwrap_or_default();
    let reason = "the tag does not hold what was written: another client may have changed it";
    wait_before_retry(operation, reason, backoff.tries(), wait).await;
}

/// Returns whether the list under the tag, if the tag exists, has the entry.
fn is_listed(index: Option<&TaggedIndex>, referrer: &Descriptor) -> bool {
    index.is_some_and(|index| index.contains(referrer))
}

/// Returns the name of the fallback tag of `subject`: the algorithm, cut to 32 characters, and the
/// first 64 digits (OCI distribution-spec, "Referrers Tag Schema").
fn tag_name(subject: Digest) -> String {
    format!("{}-{:.64}", subject.algorithm().name(), subject.hex())
}

impl<'a> FallbackTag<'a> {
    /// Returns the name of the tag.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the fallback tag of `subject` (OCI distribution-spec, "Referrers Tag Schema").
    pub(super) fn new(
        repository: &'a Repository,
        operation: &'a Operation,
        subject: Digest,
    ) -> Self {
        Self {
            repository,
            operation,
            name: tag_name(subject),
        }
    }

    /// Reads the tag.
    pub(super) async fn read(&self) -> Result<ReadTag, RegistryError> {
        let started = Instant::now();
        let index = self.read_index().await?;
        Ok(ReadTag { index, started })
    }

    /// Reads the index under the tag. Returns `None` if the tag does not exist.
    async fn read_index(&self) -> Result<Option<TaggedIndex>, RegistryError> {
        let malformed = |reason: &str| Err(malformed_list(self.operation, reason));
        let name = ManifestName::Tag(&self.name);
        let response = match self.repository.fetch_manifest_response(name).await {
            Ok(Some(response)) => response,
            Ok(None) => return Ok(None),
            // The content arrived undamaged; another client has stored something else there.
            Err(RegistryError::BadData { damage, .. })
                if !matches!(damage, Damage::Digest { .. }) =>
            {
                return malformed(&damage.to_string());
            }
            Err(error) => return Err(error),
        };
        let ManifestResponse {
            manifest,
            entity_tag,
        } = response;
        if manifest.descriptor.media_type != media_type::OCI_INDEX {
            return malformed("it is not an image index");
        }
        let Descriptor { digest, .. } = manifest.descriptor;
        match TaggedIndex::parse(manifest.bytes, digest, entity_tag) {
            Some(index) => Ok(Some(index)),
            None => malformed("its field `manifests` is not a list"),
        }
    }

    /// Reads the list again, some time after it was written.
    ///
    /// Many registries ignore conditions, even if they send entity tags. Another client may have
    /// read the list before this client's write and may write it afterwards. So this waits a few
    /// times as long as a round of this client took, and then reads the list.
    async fn read_settled(
        &self,
        round_started: Instant,
    ) -> Result<Option<TaggedIndex>, RegistryError> {
        let base = self.repository.transport().retries.base;
        let settling = round_started.elapsed() * SETTLING_ROUNDS;
        tokio::time::sleep(settling.clamp(base, base * MAX_SETTLING_WAITS)).await;
        self.read_index().await
    }

    /// Writes the index with one more entry. If the registry refuses it because it names deleted
    /// manifests, writes it without their entries.
    async fn write_with_entry(
        &self,
        before: Option<&TaggedIndex>,
        referrer: &Descriptor,
    ) -> Result<WriteOutcome, RegistryError> {
        let precondition = Precondition::of(before);
        let bytes = self.add_entry(before, referrer, &[])?;
        match self.write_index(bytes, &precondition).await {
            Err(error) if is_blob_unknown(&error) => {
                let deleted = self.find_deleted(before).await?;
                if deleted.is_empty() {
                    return Err(error);
                }
                let bytes = self.add_entry(before, referrer, &deleted)?;
                self.write_index(bytes, &precondition).await
            }
            outcome => outcome,
        }
    }

    /// Returns the bytes of an index with one more entry, and without those of some digests.
    fn add_entry(
        &self,
        before: Option<&TaggedIndex>,
        referrer: &Descriptor,
        without: &[String],
    ) -> Result<Bytes, RegistryError> {
        TaggedIndex::with_entry(before, referrer, without)
            .map_err(|error| malformed_list(self.operation, error))
    }

    /// Returns the digests in an index that the repository does not contain.
    async fn find_deleted(
        &self,
        index: Option<&TaggedIndex>,
    ) -> Result<Vec<String>, RegistryError> {
        let Some(index) = index else {
            return Ok(Vec::new());
        };
        let digests = index.digests(MAX_LOOKUPS).ok_or_else(|| {
            self.operation.protocol(Violation::Limit {
                what: "referrers under the fallback tag, some of which are deleted",
                limit: MAX_LOOKUPS as u64,
            })
        })?;
        let mut deleted = Vec::new();
        for digest in digests {
            let Ok(parsed) = digest.parse() else {
                continue;
            };
            let name = ManifestName::Digest(parsed);
            if self.repository.resolve_digest(name).await?.is_none() {
                deleted.push(digest);
            }
        }
        Ok(deleted)
    }

    /// Writes an image index to the tag, on a condition that the registry may ignore.
    async fn write_index(
        &self,
        bytes: Bytes,
        precondition: &Precondition,
    ) -> Result<WriteOutcome, RegistryError> {
        let name = ManifestName::Tag(&self.name);
        let operation = self.repository.operation("push manifest", name);
        let request =
            self.repository
                .put_request(&operation, name, media_type::OCI_INDEX, &bytes)?;
        let request = match precondition {
            Precondition::None => request,
            Precondition::Absent => request.header(IF_NONE_MATCH, "*"),
            Precondition::Unchanged(entity_tag) => request.header(IF_MATCH, entity_tag.as_str()),
        };
        let refusal = match self
            .repository
            .send_put(&operation, &request, &bytes)
            .await?
        {
            PutOutcome::Stored(_) => return Ok(WriteOutcome::Written),
            PutOutcome::Rejected(refusal) => refusal,
        };
        let is_precondition_failed = refusal.status == 412;
        let error = self
            .repository
            .rejection_error(&operation, &request, refusal);
        if is_precondition_failed {
            Ok(WriteOutcome::PreconditionFailed(error))
        } else {
            Err(error)
        }
    }
}

impl Precondition {
    /// Returns the condition for replacing the index that was read.
    fn of(before: Option<&TaggedIndex>) -> Self {
        match before {
            None => Self::Absent,
            Some(index) => index.entity_tag.clone().map_or(Self::None, Self::Unchanged),
        }
    }
}

fn is_blob_unknown(error: &RegistryError) -> bool {
    let RegistryError::Protocol { violation, .. } = error else {
        return false;
    };
    matches!(violation, Violation::BlobUnknown(_))
}

#[cfg(test)]
mod tests {
    use soci_oci::Algorithm;

    use super::*;

    #[test]
    fn the_tag_has_at_most_64_digits() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let subject = algorithm.digest(b"subject");
            let expected = format!("{}-{}", algorithm.name(), &subject.hex()[..64]);
            assert_eq!(tag_name(subject), expected);
        }
    }
}
