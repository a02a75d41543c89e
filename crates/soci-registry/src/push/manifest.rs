//! Uploads manifests and indexes (OCI distribution-spec, "Pushing Manifests").

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use soci_oci::Digest;

use super::stored_digest::check_stored_digest;
use crate::error::{Damage, Operation, Refusal, RegistryError, Tries, Violation};
use crate::http::request::{Body, Request};
use crate::http::response::Outcome;
use crate::http::retry::{FailureKind, wait_before_retry};
use crate::manifest::{MAX_MANIFEST_SIZE, ManifestName};
use crate::repository::Repository;

/// What a registry has reported about a manifest that it stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PushedManifest {
    /// Whether the registry lists the manifest among the referrers of its subject. It says so with
    /// the header `OCI-Subject`.
    pub subject_processed: bool,
}

/// The result of a `PUT` of a manifest.
#[derive(Debug)]
pub(crate) enum PutOutcome {
    Stored(PushedManifest),
    Rejected(Refusal),
}

impl Repository {
    /// Uploads a manifest or an index. The blobs and manifests that it names must be in the
    /// repository.
    ///
    /// If the registry rejects an immutable tag that already points to this manifest, that is not
    /// an error.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::BadData`] if the manifest is larger than 4 MiB, and
    /// [`RegistryError::Protocol`] with [`Violation::BlobUnknown`] if the registry does not know a
    /// blob that the manifest names. Some registries learn of a blob a while after its upload: see
    /// [`Repository::wait_for_blobs`]. Returns another error if the request fails.
    pub async fn push_manifest(
        &self,
        name: ManifestName<'_>,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<PushedManifest, RegistryError> {
        let action = match name {
            ManifestName::Digest(_) => "push manifest",
            ManifestName::Tag(_) => "set tag",
        };
        let operation = self.operation(action, name);
        let request = self.put_request(&operation, name, media_type, &bytes)?;
        let refusal = match self.send_put(&operation, &request, &bytes).await? {
            PutOutcome::Stored(pushed) => return Ok(pushed),
            PutOutcome::Rejected(refusal) => refusal,
        };
        // Registries reject a write to an immutable tag even if it changes nothing, and with
        // different statuses.
        let may_be_immutable = matches!(refusal.status, 400 | 403 | 405 | 409 | 412);
        if let ManifestName::Tag(_) = name
            && may_be_immutable
            && matches!(self.resolve_digest(name).await, Ok(Some(found)) if found == found.same_algorithm(&bytes))
        {
            return Ok(PushedManifest {
                subject_processed: false,
            });
        }
        // Other credentials cannot change an immutable tag, so this is not a denial.
        if refusal.message.contains("immutab") {
            return Err(operation.protocol(Violation::Refused(refusal)));
        }
        Err(self.rejection_error(&operation, &request, refusal))
    }

    /// Returns the `PUT` request for a manifest.
    pub(crate) fn put_request(
        &self,
        operation: &Operation,
        name: ManifestName<'_>,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Request, RegistryError> {
        if bytes.len() as u64 > MAX_MANIFEST_SIZE {
            return Err(operation.bad_data(Damage::TooLarge {
                limit: MAX_MANIFEST_SIZE,
            }));
        }
        let url = self.url(&format!("manifests/{name}"));
        Ok(Request::new(Method::PUT, url)
            .following_redirects()
            .header(CONTENT_TYPE, media_type)
            .body(Body::Bytes(bytes.clone())))
    }

    /// Sends the `PUT` request for the manifest `bytes`, within the registry's rate limit. A
    /// refusal that may pass is tried again.
    pub(crate) async fn send_put(
        &self,
        operation: &Operation,
        request: &Request,
        bytes: &Bytes,
    ) -> Result<PutOutcome, RegistryError> {
        let mut backoff = self.transport().backoff();
        loop {
            let refusal = match self.send_put_once(operation, request, bytes).await? {
                PutOutcome::Rejected(refusal) if may_pass(&refusal) => refusal,
                outcome => return Ok(outcome),
            };
            let Some(delay) = backoff.next_delay(FailureKind::Unsettled) else {
                return Ok(PutOutcome::Rejected(refusal));
            };
            let reason = format!("refused: {refusal}");
            wait_before_retry(operation, &reason, backoff.tries(), delay).await;
        }
    }

    async fn send_put_once(
        &self,
        operation: &Operation,
        request: &Request,
        bytes: &Bytes,
    ) -> Result<PutOutcome, RegistryError> {
        if let Some(rate) = &self.registry().manifest_rate {
            rate.acquire().await;
        }
        let refusal = match self.send(operation, request).await? {
            Outcome::Success(response) => {
                check_stored_digest(operation, response.headers(), Digest::of(bytes))?;
                let subject_processed = response.headers().contains_key("oci-subject");
                return Ok(PutOutcome::Stored(PushedManifest { subject_processed }));
            }
            Outcome::CrossOriginRedirect => return Err(operation.protocol(Violation::Redirected)),
            Outcome::Rejected(rejection) => rejection.refusal,
        };
        // ECR's message for a missing blob is `LayersNotFoundException`.
        if refusal.code == "MANIFEST_BLOB_UNKNOWN" || refusal.message.contains("LayersNotFound") {
            return Err(operation.protocol(Violation::BlobUnknown(refusal)));
        }
        Ok(PutOutcome::Rejected(refusal))
    }

    /// Waits before a manifest is sent again whose blobs the registry did not know. The wait grows
    /// with `count`, the number of tries so far, and a warning reports it.
    pub async fn wait_for_blobs(&self, manifest: Digest, count: u32) {
        let operation = self.operation("push manifest", manifest);
        let wait = self.transport().retries.throttled_base * count;
        let tries = Tries {
            count,
            ..Tries::once()
        };
        let reason = "the registry does not know an uploaded blob yet";
        wait_before_retry(&operation, reason, tries, wait).await;
    }
}

/// Returns whether a registry may accept a manifest that it has refused, a moment later. Quay
/// answers 400 `MANIFEST_INVALID`, and other registries answer 404, until each of their servers
/// knows what was just uploaded.
fn may_pass(refusal: &Refusal) -> bool {
    match refusal.status {
        400 => refusal.code == "MANIFEST_INVALID",
        404 => refusal.code != "NAME_UNKNOWN",
        _ => false,
    }
}
