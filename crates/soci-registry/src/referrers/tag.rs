//! The tag `sha256-<hex>`, in which clients keep the list of referrers where the registry does not.
//!
//! Several may write it at the same time, and few registries obey a condition: so what was written is looked at again.

use bytes::Bytes;
use reqwest::header::{IF_MATCH, IF_NONE_MATCH};
use serde_json::{Map, Value, json};
use soci_oci::{Descriptor, Digest, media_type};
use tokio::time::Instant;

use super::malformed;
use crate::client::Repository;
use crate::error::{Damage, Operation, RegistryError, Violation};
use crate::http::retry::Cause;
use crate::http::retry::pause;
use crate::manifest::ManifestName;

/// How often a tag is written that others write at the same time.
const ROUNDS: u32 = 5;

/// How many rounds of ours somebody else is given between reading the tag and writing it, and how many first waits at most.
const SETTLING: u32 = 4;
const LONGEST_SETTLING: u32 = 8;

/// What lies under a fallback tag.
pub(super) struct Tagged {
    pub(super) list: Map<String, Value>,
    digest: Digest,
    /// Its entity tag, where the registry gives one.
    entity: Option<String>,
}

/// On what condition a tag is written.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Condition {
    /// None: the registry gives no entity tags.
    None,
    /// There is no such tag.
    Absent,
    /// The tag is what this entity tag says.
    Unchanged(String),
}

/// What became of a write on a condition.
#[derive(Debug)]
enum Written {
    /// The tag is written.
    Done,
    /// The condition does not hold, or so the registry says: some refuse a tag that must not change like this.
    Refused(RegistryError),
}

impl Repository {
    /// Reads the index under the fallback tag. `None` where there is none.
    pub(super) async fn read_tag(
        &self,
        operation: &Operation,
        subject: Digest,
    ) -> Result<Option<Tagged>, RegistryError> {
        let tag = fallback_tag(subject);
        let refuse = |reason: &str| Err(malformed(operation, format!("tag `{tag}`: {reason}")));
        let (manifest, entity) = match self.tagged_manifest(ManifestName::Tag(&tag)).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // Nothing is damaged on its way: somebody has put something else there.
            Err(RegistryError::BadData { damage, .. })
                if !matches!(damage, Damage::Digest { .. }) =>
            {
                return refuse(&damage.to_string());
            }
            Err(error) => return Err(error),
        };
        if manifest.descriptor.media_type != media_type::OCI_INDEX {
            return refuse("it is no image index");
        }
        match serde_json::from_slice(&manifest.bytes) {
            Ok(Value::Object(list)) if list.get("manifests").is_none_or(Value::is_array) => {
                Ok(Some(Tagged {
                    list,
                    digest: manifest.descriptor.digest,
                    entity,
                }))
            }
            _ => refuse("its entries are no list"),
        }
    }

    /// Adds a manifest to the list under the fallback tag of its subject. Entries of others stay as they are, but for those of
    /// manifests that are gone, where the registry wants a list without them.
    ///
    /// The index that the tag pointed to before is left behind: deleting it could take away what somebody else has just
    /// tagged again.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Protocol`] where the tag holds something else, which is not touched, or where others change it in
    /// every round; else as the registry fails.
    pub async fn add_to_referrers_tag(
        &self,
        subject: Digest,
        referrer: Descriptor,
    ) -> Result<(), RegistryError> {
        let operation = self.operation("update referrers", subject);
        let tag = fallback_tag(subject);
        let mut backoff = self.transport().backoff();
        let mut refused = None;
        for round in 0..ROUNDS {
            if round > 0 {
                let wait = backoff.wait(Cause::Transient).unwrap_or_default();
                let reason = "others changed the tag at the same time";
                pause(&operation, reason, backoff.tries(), wait).await;
            }
            let started = Instant::now();
            let before = self.read_tag(&operation, subject).await?;
            if before
                .as_ref()
                .is_some_and(|tagged| holds(&tagged.list, &referrer))
            {
                backoff.succeed();
                return Ok(());
            }
            let digest = before.as_ref().map(|tagged| tagged.digest);
            // Where the tag is what it was, its change is not why the write was refused.
            if let Some((seen, error)) = refused.take()
                && seen == digest
            {
                return Err(error);
            }
            let (list, condition) = Tagged::to_be_replaced(before);
            let write = self.write_list(&operation, &tag, (list, &referrer), &condition);
            if let Written::Refused(error) = write.await? {
                refused = Some((digest, error));
            } else if self.keeps(&operation, subject, &referrer, started).await? {
                backoff.succeed();
                return Ok(());
            }
        }
        let rounds = ROUNDS;
        Err(operation.protocol(Violation::Lost { tag, rounds }))
    }

    /// Says whether an entry that was just written stays in the list under the tag.
    ///
    /// Many registries ignore conditions, even with entity tags. There somebody may have read the list before our write, and
    /// write after it: so this looks only once that had its time, which is taken to be a few of our own rounds.
    async fn keeps(
        &self,
        operation: &Operation,
        subject: Digest,
        referrer: &Descriptor,
        started: Instant,
    ) -> Result<bool, RegistryError> {
        let base = self.transport().retries.base;
        let settling = started.elapsed() * SETTLING;
        tokio::time::sleep(settling.clamp(base, base * LONGEST_SETTLING)).await;
        let now = self.read_tag(operation, subject).await?;
        Ok(now.is_some_and(|tagged| holds(&tagged.list, referrer)))
    }

    /// Writes a list with an entry more. Where the registry refuses it for what is gone, entries of that are left out.
    async fn write_list(
        &self,
        operation: &Operation,
        tag: &str,
        (list, referrer): (Map<String, Value>, &Descriptor),
        condition: &Condition,
    ) -> Result<Written, RegistryError> {
        let bytes = |list| with_entry(list, referrer).map_err(|error| malformed(operation, error));
        match self.write_tag(tag, bytes(list.clone())?, condition).await {
            Err(error) if is_blob_unknown(&error) => {
                let Some(list) = self.without_gone(list).await? else {
                    return Err(error);
                };
                self.write_tag(tag, bytes(list)?, condition).await
            }
            written => written,
        }
    }

    /// Returns a list without the entries of what the registry does not hold. Nothing, where it holds everything.
    async fn without_gone(
        &self,
        mut list: Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, RegistryError> {
        let Some(Value::Array(entries)) = list.get_mut("manifests") else {
            return Ok(None);
        };
        let mut kept = Vec::new();
        for entry in entries.iter() {
            let digest = entry
                .get("digest")
                .and_then(|digest| digest.as_str()?.parse().ok());
            let is_gone = match digest {
                Some(digest) => self
                    .manifest_digest(ManifestName::Digest(digest))
                    .await?
                    .is_none(),
                None => false,
            };
            if !is_gone {
                kept.push(entry.clone());
            }
        }
        let is_shorter = kept.len() < entries.len();
        *entries = kept;
        Ok(is_shorter.then_some(list))
    }

    /// Writes an image index to a tag, on a condition that the registry may ignore.
    async fn write_tag(
        &self,
        tag: &str,
        bytes: Bytes,
        condition: &Condition,
    ) -> Result<Written, RegistryError> {
        let name = ManifestName::Tag(tag);
        let operation = self.operation("push manifest", name);
        let request = self.put_manifest(&operation, name, media_type::OCI_INDEX, &bytes)?;
        let request = match condition {
            Condition::None => request,
            Condition::Absent => request.header(IF_NONE_MATCH, "*"),
            Condition::Unchanged(entity) => request.header(IF_MATCH, entity.as_str()),
        };
        match self.put(&operation, &request, &bytes).await? {
            Ok(_) => Ok(Written::Done),
            Err(refusal) => {
                let is_changed = refusal.status == 412;
                let error = self.refuse(&operation, &request, refusal);
                if is_changed {
                    Ok(Written::Refused(error))
                } else {
                    Err(error)
                }
            }
        }
    }
}

impl Tagged {
    /// Returns the list to start from, and on which condition it is replaced.
    fn to_be_replaced(before: Option<Self>) -> (Map<String, Value>, Condition) {
        match before {
            None => (Map::new(), Condition::Absent),
            Some(Self { list, entity, .. }) => {
                (list, entity.map_or(Condition::None, Condition::Unchanged))
            }
        }
    }
}

fn is_blob_unknown(error: &RegistryError) -> bool {
    let RegistryError::Protocol { violation, .. } = error else {
        return false;
    };
    matches!(violation, Violation::BlobUnknown(_))
}

/// Returns the tag under which clients keep the list, where the registry does not.
fn fallback_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// Says whether a list has an entry for a manifest.
fn holds(list: &Map<String, Value>, referrer: &Descriptor) -> bool {
    let digest = referrer.digest.to_string();
    let entries = list.get("manifests").and_then(Value::as_array);
    entries.is_some_and(|entries| {
        let mut digests = entries.iter().filter_map(|entry| entry.get("digest"));
        digests.any(|found| found == digest.as_str())
    })
}

/// Returns the bytes of a list with an entry more.
fn with_entry(mut list: Map<String, Value>, referrer: &Descriptor) -> serde_json::Result<Bytes> {
    if list.is_empty() {
        list.insert("schemaVersion".to_owned(), json!(2));
        list.insert("mediaType".to_owned(), json!(media_type::OCI_INDEX));
    }
    let entry = serde_json::to_value(referrer)?;
    let entries = list.entry("manifests").or_insert_with(|| json!([]));
    if let Some(entries) = entries.as_array_mut() {
        entries.push(entry);
    }
    Ok(serde_json::to_vec(&list)?.into())
}
