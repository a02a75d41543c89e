//! Looks whether the registry has what it answered that it has stored.

use bytes::Bytes;
use soci_oci::Digest;

use crate::error::{Operation, RegistryError, Violation};
use crate::http::retry::{FailureKind, wait_before_retry};
use crate::lookup;
use crate::manifest::ManifestName;
use crate::repository::Repository;

/// A manifest that the registry answered that it has stored.
#[derive(Clone, Copy, Debug)]
pub struct SentManifest<'a> {
    /// The name that it was stored under.
    pub name: ManifestName<'a>,
    /// Its bytes.
    pub bytes: &'a Bytes,
    /// The digest that the tag named before, if it is known.
    pub previous: Option<Digest>,
}

/// What a look at a manifest has shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    /// The name stands for the manifest that was sent, or the registry does not tell.
    Sent,
    /// The name stands for another manifest.
    Other(Digest),
    Nothing,
}

impl Repository {
    /// Looks whether a manifest is what its name stands for. This takes one `HEAD` request if it
    /// is. If not, it looks twice more after a wait, with `GET` requests: a registry of several
    /// servers may answer from one that does not know the manifest yet.
    ///
    /// A registry that does not tell is believed. So is one that has the manifest by its digest,
    /// and another one under the tag that was not there before: another client has set the tag,
    /// too.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::Protocol`] with [`Violation::NotKept`] or
    /// [`Violation::OtherTagged`] if the registry does not have what was sent. Returns another
    /// error if the registry cannot be reached.
    pub async fn check_stored(&self, sent: SentManifest<'_>) -> Result<(), RegistryError> {
        let action = match sent.name {
            ManifestName::Digest(_) => "push manifest",
            ManifestName::Tag(_) => "set tag",
        };
        let operation = self.operation(action, sent.name);
        let mut found = self.find_by_head(&operation, sent).await?;
        let mut backoff = self.transport().backoff();
        while found != Found::Sent {
            let Some(delay) = backoff.next_delay(FailureKind::Unsettled) else {
                return self.judge_other(&operation, sent, found).await;
            };
            let reason = "the registry does not have what was stored there";
            wait_before_retry(&operation, reason, backoff.tries(), delay).await;
            found = self.find_by_get(&operation, sent).await?;
        }
        Ok(())
    }

    /// Looks with a `HEAD` request, or with a `GET` request if the response has no digest.
    async fn find_by_head(
        &self,
        operation: &Operation,
        sent: SentManifest<'_>,
    ) -> Result<Found, RegistryError> {
        compare(sent, self.find_digest(operation, sent.name).await)
    }

    async fn find_by_get(
        &self,
        operation: &Operation,
        sent: SentManifest<'_>,
    ) -> Result<Found, RegistryError> {
        tracing::debug!("{operation}: fetching it");
        let fetched = self.fetch_manifest(sent.name).await;
        let digest = fetched.map(|found| found.map(|found| found.descriptor.digest));
        compare(sent, digest)
    }

    /// Returns the error for a name that does not stand for what was sent, unless another client
    /// has set the tag meanwhile.
    async fn judge_other(
        &self,
        operation: &Operation,
        sent: SentManifest<'_>,
        found: Found,
    ) -> Result<(), RegistryError> {
        let Found::Other(found) = found else {
            return Err(operation.protocol(Violation::NotKept));
        };
        let expected = Digest::of(sent.bytes);
        let own = ManifestName::Digest(expected);
        if sent.previous != Some(found) && self.resolve_digest(own).await? == Some(expected) {
            let name = sent.name;
            tracing::warn!(
                "another client has pointed the tag `{name}` to `{found}` after this run has set it"
            );
            return Ok(());
        }
        Err(operation.protocol(Violation::OtherTagged {
            expected: Box::new(expected),
            found: Box::new(found),
        }))
    }
}

/// Compares the digest that was found, if any, with what was sent.
fn compare(
    sent: SentManifest<'_>,
    digest: Result<Option<Digest>, RegistryError>,
) -> Result<Found, RegistryError> {
    match digest {
        Ok(Some(digest)) if digest == digest.same_algorithm(sent.bytes) => Ok(Found::Sent),
        Ok(Some(digest)) => Ok(Found::Other(digest)),
        Ok(None) | Err(RegistryError::NotFound { .. }) => Ok(Found::Nothing),
        Err(error) if lookup::leaves_open(&error) => Ok(Found::Sent),
        Err(error) => Err(error),
    }
}
