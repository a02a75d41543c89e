//! Uploads blobs, or mounts them from another repository of the same registry (OCI
//! distribution-spec, "Pushing Blobs").

use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use reqwest::Method;
use soci_oci::{Descriptor, Digest};
use url::Url;

use super::mode::UploadMode;
use super::upload::{Start, Upload};
use crate::auth::scope::Scope;
use crate::error::{Damage, Fault, Operation, RegistryError, Violation};
use crate::http::request::{Content, Request};
use crate::http::response::Outcome;
use crate::http::retry::{FailureKind, wait_before_retry};
use crate::http::upload_body;
use crate::lookup;
use crate::repository::Repository;

/// How a blob was stored in a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PushedBlob {
    /// The registry mounted it from another repository.
    Mounted,
    /// It was uploaded.
    Uploaded,
}

/// A registry's response to a request for a mount.
enum MountOutcome {
    Mounted,
    Rejected,
    /// The registry wants the content instead and has opened an upload session at this URL.
    SessionOpened(Url),
}

/// The error code for an upload session that the registry does not know.
const SESSION_UNKNOWN: &str = "BLOB_UPLOAD_UNKNOWN";

impl Repository {
    /// Mounts a blob from the repository `from` of the same registry. If the registry does not
    /// mount it, uploads `content`, which is read again for each upload session.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Repository::push_blob_stream`]. A rejected mount is not an error.
    pub async fn mount_or_push_blob(
        &self,
        descriptor: &Descriptor,
        from: &str,
        content: &Content,
    ) -> Result<PushedBlob, RegistryError> {
        let start = match self.mount_blob(descriptor.digest, from).await? {
            MountOutcome::Mounted => return Ok(PushedBlob::Mounted),
            MountOutcome::Rejected => Start::NewSession,
            MountOutcome::SessionOpened(url) => Start::Session(url),
        };
        let operation = self.operation("push blob", descriptor.digest);
        self.upload_blob(&operation, descriptor, start, content)
            .await?;
        Ok(PushedBlob::Uploaded)
    }

    /// Asks the registry to mount a blob from the repository `from`.
    async fn mount_blob(&self, digest: Digest, from: &str) -> Result<MountOutcome, RegistryError> {
        let operation = self.operation("mount blob", digest);
        let mut url = self.url("blobs/uploads/");
        url.query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", from);
        let request = Request::new(Method::POST, url).following_redirects();
        let scope = Scope::push(self.name()).and_pull(from);
        match self.send_for(&operation, &request, &scope).await {
            Ok(Outcome::Success(response)) => Ok(match response.status().as_u16() {
                201 => {
                    tracing::debug!("{operation}: mounted from the repository `{from}`");
                    MountOutcome::Mounted
                }
                202 => MountOutcome::SessionOpened(self.session_url(&operation, &response)?),
                _ => MountOutcome::Rejected,
            }),
            // The credentials may allow an upload even if they do not allow to read `from`.
            Ok(_) | Err(RegistryError::Denied { .. }) => Ok(MountOutcome::Rejected),
            Err(error) if lookup::leaves_open(&error) => Ok(MountOutcome::Rejected),
            Err(error) => Err(error),
        }
    }

    /// Uploads a blob from memory, a small one in a single request if the registry takes it so.
    /// `counter` counts the bytes as they are sent.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::BadData`] if the length of `content` differs from its descriptor.
    /// Returns another error if the upload fails in every session.
    pub async fn push_blob(
        &self,
        descriptor: &Descriptor,
        content: Bytes,
        counter: Arc<AtomicU64>,
    ) -> Result<(), RegistryError> {
        let operation = self.operation("push blob", descriptor.digest);
        let found = content.len() as u64;
        let expected = descriptor.size;
        if found != expected {
            return Err(operation.bad_data(Damage::Size { expected, found }));
        }
        let content: Content = Arc::new(move || {
            upload_body::stream_bytes(content.clone()).count_bytes(Arc::clone(&counter))
        });
        self.upload_blob(&operation, descriptor, Start::InMemory, &content)
            .await
    }

    /// Uploads a blob from a stream. `content` is called for a new stream for each upload session.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::BadData`] if the length of the stream differs from the descriptor,
    /// and [`RegistryError::Content`] if the stream fails. Returns another error if the upload
    /// fails in every session.
    pub async fn push_blob_stream(
        &self,
        descriptor: &Descriptor,
        content: &Content,
    ) -> Result<(), RegistryError> {
        let operation = self.operation("push blob", descriptor.digest);
        self.upload_blob(&operation, descriptor, Start::NewSession, content)
            .await
    }

    /// Uploads a blob: first as `start` says, then in new sessions until one succeeds.
    /// If the registry does not count the content of a `PUT`, it gets the content in a `PATCH`.
    async fn upload_blob(
        &self,
        operation: &Operation,
        descriptor: &Descriptor,
        mut start: Start,
        content: &Content,
    ) -> Result<(), RegistryError> {
        let transport = self.transport();
        let mut backoff = transport.backoff();
        let upload = Upload {
            repository: self,
            operation,
            descriptor,
            content,
        };
        let mut mode = self.registry().upload_mode.get();
        for number in 1.. {
            let this_start = mem::replace(&mut start, Start::NewSession);
            let Err(error) = upload.attempt(this_start, mode).await else {
                break;
            };
            if mode == UploadMode::Put && counts_only_patches(&error) {
                tracing::debug!(
                    "{operation}: the registry counts only the content of a PATCH, and is sent one"
                );
                mode = UploadMode::Patch;
                continue;
            }
            let is_last = number >= transport.retries.upload_sessions;
            let cause = retry_in_new_session(&error).filter(|_| !is_last);
            let Some(wait) = cause.and_then(|cause| backoff.next_delay(cause)) else {
                return Err(session_unknown(error));
            };
            wait_before_retry(operation, &error.reason(), backoff.tries(), wait).await;
            // The registry may have stored the blob although its response was lost.
            if self.blob_exists(descriptor.digest).await? {
                break;
            }
        }
        self.registry().upload_mode.set(mode);
        backoff.record_success();
        Ok(())
    }
}

/// Converts a "not found" error for an upload session that the registry itself has opened. No
/// object is missing, so the registry has broken the protocol.
fn session_unknown(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::NotFound { operation, refusal } if refusal.code == SESSION_UNKNOWN => {
            operation.protocol(Violation::Refused(refusal))
        }
        error => error,
    }
}

/// Returns whether a registry has rejected the content of a `PUT` as another one. Some registries
/// compare only what a `PATCH` has sent, and find an empty blob.
fn counts_only_patches(error: &RegistryError) -> bool {
    let RegistryError::Protocol {
        violation: Violation::Refused(refusal),
        ..
    } = error
    else {
        return false;
    };
    matches!(refusal.code.as_str(), "DIGEST_INVALID" | "SIZE_INVALID")
}

/// Returns the cause of a failure that an upload in a new session may avoid.
fn retry_in_new_session(error: &RegistryError) -> Option<FailureKind> {
    match error {
        RegistryError::Unavailable { fault, .. } => {
            (!matches!(fault, Fault::Tls { .. } | Fault::Name { .. }))
                .then_some(FailureKind::Transient)
        }
        RegistryError::Throttled { retry_after, .. } => Some(FailureKind::Throttled(*retry_after)),
        RegistryError::NotFound { refusal, .. } => {
            (refusal.code == SESSION_UNKNOWN).then_some(FailureKind::Transient)
        }
        RegistryError::Protocol {
            violation: Violation::Refused(refusal),
            ..
        } => (refusal.status == 416 || refusal.code == "BLOB_UPLOAD_INVALID")
            .then_some(FailureKind::Transient),
        _ => None,
    }
}
