//! Uploads: blobs by one session and one `PUT` each, manifests by one `PUT`.
//!
//! Parts are not used: ECR's answers to them are its own, and what this project sends is small. A session that failed is
//! never used again.

pub(crate) mod sessions;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response};
use soci_oci::{Descriptor, Digest, media_type};
use std::sync::Arc;
use url::Url;

use crate::auth::scope::Scope;
use crate::client::Repository;
use crate::error::sanitize::sanitize;
use crate::error::{Damage, Fault, Operation, Refusal, RegistryError, Tries, Violation};
use crate::http::redirect;
use crate::http::request::{Body, Content, Request};
use crate::http::response::Answer;
use crate::http::retry::Cause;
use crate::http::retry::pause;
use crate::manifest::{self, ManifestName};

/// How a registry came to hold a blob.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Copied {
    /// It took the blob from another of its repositories.
    Mounted,
    /// It was sent the blob.
    Uploaded,
}

/// What a registry says when it is asked to take a blob from another of its repositories.
enum Mount {
    Mounted,
    Refused,
    /// It wants the blob to be sent, and has opened a session for it.
    Session(Url),
}

/// What a registry says about a manifest that it took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PushedManifest {
    /// Whether the registry lists the manifest among the referrers of its subject, as `OCI-Subject` says.
    pub subject_processed: bool,
}

/// What a registry says of an upload session that it does not know.
const SESSION_UNKNOWN: &str = "BLOB_UPLOAD_UNKNOWN";

impl Repository {
    /// Lets the registry take a blob from its repository `from`, or sends it the stream, which is asked for anew where an
    /// upload fails.
    ///
    /// # Errors
    ///
    /// As [`Repository::push_blob_stream`]; that a blob cannot be mounted is none.
    pub async fn mount_or_push_blob(
        &self,
        descriptor: &Descriptor,
        from: &str,
        content: &Content,
    ) -> Result<Copied, RegistryError> {
        let session = match self.mount_blob(descriptor.digest, from).await? {
            Mount::Mounted => return Ok(Copied::Mounted),
            Mount::Refused => None,
            Mount::Session(url) => Some(url),
        };
        let operation = self.operation("push blob", descriptor.digest);
        self.upload(&operation, descriptor, session, content)
            .await?;
        Ok(Copied::Uploaded)
    }

    /// Asks the registry to take a blob from its repository `from`. A refusal is no error, since an upload does the same.
    async fn mount_blob(&self, digest: Digest, from: &str) -> Result<Mount, RegistryError> {
        let operation = self.operation("mount blob", digest);
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", from);
        let request = Request::new(Method::POST, url);
        let scope = Scope::push(self.name()).and_pull(from);
        match self.send_for(&operation, &request, &scope).await {
            Ok(Answer::Done(response)) => Ok(match response.status().as_u16() {
                201 => Mount::Mounted,
                202 => Mount::Session(self.location(&operation, &response)?),
                _ => Mount::Refused,
            }),
            Ok(_) | Err(RegistryError::Denied { .. }) => Ok(Mount::Refused),
            Err(error) => Err(error),
        }
    }

    /// Uploads a blob.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadData`] where `content` has not the length that its descriptor says, else as the registry fails.
    pub async fn push_blob(
        &self,
        descriptor: &Descriptor,
        content: Bytes,
    ) -> Result<(), RegistryError> {
        let operation = self.operation("push blob", descriptor.digest);
        let size = content.len() as u64;
        if size != descriptor.size {
            let expected = descriptor.size;
            let found = size;
            return Err(operation.bad_data(Damage::Size { expected, found }));
        }
        let pieces: Content = Arc::new(move || crate::http::upload_body::pieces(content.clone()));
        self.upload(&operation, descriptor, None, &pieces).await
    }

    /// Uploads a blob from a stream, which is asked for anew where an upload fails.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadData`] where the stream has not the length that the descriptor says, else as the stream or the
    /// registry fails.
    pub async fn push_blob_stream(
        &self,
        descriptor: &Descriptor,
        content: &Content,
    ) -> Result<(), RegistryError> {
        let operation = self.operation("push blob", descriptor.digest);
        self.upload(&operation, descriptor, None, content).await
    }

    /// Uploads a blob, in the session that is open if one is, and in a new one where one fails.
    async fn upload(
        &self,
        operation: &Operation,
        descriptor: &Descriptor,
        mut open: Option<Url>,
        content: &Content,
    ) -> Result<(), RegistryError> {
        let transport = self.transport();
        let mut backoff = transport.backoff();
        for session in 1.. {
            let open = open.take();
            let error = match self.session(operation, descriptor, open, content).await {
                Ok(()) => break,
                Err(error) => error,
            };
            let is_last = session >= transport.retries.upload_sessions;
            let cause = worth_a_session(&error).filter(|_| !is_last);
            let Some(wait) = cause.and_then(|cause| backoff.wait(cause)) else {
                return Err(forgotten(error));
            };
            pause(operation, &error.to_string(), backoff.tries(), wait).await;
            // The reply may be all that was lost.
            if self.blob_exists(descriptor.digest).await? {
                break;
            }
        }
        backoff.succeed();
        Ok(())
    }

    /// Uploads a blob in one session.
    async fn session(
        &self,
        operation: &Operation,
        descriptor: &Descriptor,
        open: Option<Url>,
        content: &Content,
    ) -> Result<(), RegistryError> {
        let mut url = match open {
            Some(url) => url,
            None => self.open_session(operation).await?,
        };
        let _open = self.open_uploads().enter(self.clone(), url.clone());
        let digest = descriptor.digest;
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let request = Request::new(Method::PUT, url)
            .header(CONTENT_TYPE, media_type::OCTET_STREAM)
            .body(Body::Upload(Arc::clone(content), descriptor.size));
        match self.send(operation, &request).await? {
            Answer::Done(response) => stored(operation, response.headers(), digest),
            Answer::Elsewhere => Err(operation.protocol(Violation::Redirected)),
            Answer::Refused(refused) => Err(self.refuse(operation, &request, refused.refusal)),
        }
    }

    /// Opens an upload session and returns where the content goes.
    async fn open_session(&self, operation: &Operation) -> Result<Url, RegistryError> {
        let request = Request::new(Method::POST, self.url("blobs/uploads/")?);
        match self.send(operation, &request).await? {
            Answer::Done(response) => self.location(operation, &response),
            Answer::Elsewhere => Err(operation.protocol(Violation::Redirected)),
            Answer::Refused(refused) => Err(self.refuse(operation, &request, refused.refusal)),
        }
    }

    fn location(&self, operation: &Operation, response: &Response) -> Result<Url, RegistryError> {
        redirect::target(
            "upload location",
            response.url(),
            response.status(),
            response.headers(),
            &self.registry()?.guard,
        )
        .map_err(|violation| operation.protocol(violation))
    }

    /// Uploads a manifest or an index. What it names must be there already.
    ///
    /// A tag that must not change is no error where it already points to this very manifest.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadData`] where it is larger than registries take; [`RegistryError::Protocol`] with
    /// [`Violation::BlobUnknown`] where the registry does not know a blob that it names, which some only learn a while after
    /// they took it; else as the registry fails.
    pub async fn push_manifest(
        &self,
        name: ManifestName<'_>,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<PushedManifest, RegistryError> {
        let operation = self.operation("push manifest", name);
        let request = self.put_manifest(&operation, name, media_type, &bytes)?;
        let refusal = match self.put(&operation, &request, &bytes).await? {
            Ok(pushed) => return Ok(pushed),
            Err(refusal) => refusal,
        };
        // Immutable tags are refused even to the manifest that has them, with codes that differ between registries.
        let is_about_the_tag = matches!(refusal.status, 400 | 403 | 405 | 409 | 412);
        if let ManifestName::Tag(_) = name
            && is_about_the_tag
            && matches!(self.manifest_digest(name).await, Ok(Some(found)) if found == Digest::of(&bytes))
        {
            return Ok(PushedManifest {
                subject_processed: false,
            });
        }
        // What no credentials can change is no matter of permissions.
        if refusal.message.contains("immutab") {
            return Err(operation.protocol(Violation::Refused(refusal)));
        }
        Err(self.refuse(&operation, &request, refusal))
    }

    pub(crate) fn put_manifest(
        &self,
        operation: &Operation,
        name: ManifestName<'_>,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<Request, RegistryError> {
        if bytes.len() as u64 > manifest::LIMIT {
            return Err(operation.bad_data(Damage::TooLarge {
                limit: manifest::LIMIT,
            }));
        }
        let url = self.url(&format!("manifests/{name}"))?;
        Ok(Request::new(Method::PUT, url)
            .header(CONTENT_TYPE, media_type)
            .body(Body::Bytes(bytes.clone())))
    }

    /// Sends a manifest, at the pace that the registry takes them.
    pub(crate) async fn put(
        &self,
        operation: &Operation,
        request: &Request,
        bytes: &Bytes,
    ) -> Result<Result<PushedManifest, Refusal>, RegistryError> {
        if let Some(pacing) = &self.registry()?.manifest_pacing {
            pacing.wait().await;
        }
        let refusal = match self.send(operation, request).await? {
            Answer::Done(response) => {
                stored(operation, response.headers(), Digest::of(bytes))?;
                let subject_processed = response.headers().contains_key("oci-subject");
                return Ok(Ok(PushedManifest { subject_processed }));
            }
            Answer::Elsewhere => return Err(operation.protocol(Violation::Redirected)),
            Answer::Refused(refused) => refused.refusal,
        };
        if refusal.code == "MANIFEST_BLOB_UNKNOWN" || refusal.message.contains("LayersNotFound") {
            return Err(operation.protocol(Violation::BlobUnknown(refusal)));
        }
        Ok(Err(refusal))
    }

    /// Waits before a manifest is sent again whose blobs the registry did not know in try `count`, though they were sent.
    pub async fn wait_for_blobs(&self, manifest: Digest, count: u32) {
        let operation = self.operation("push manifest", manifest);
        let wait = self.transport().retries.throttled_base * count;
        let tries = Tries {
            count,
            ..Tries::once()
        };
        pause(&operation, "a blob is not known yet", tries, wait).await;
    }
}

/// Checks that the registry stored what was sent, where it says what it stored.
fn stored(
    operation: &Operation,
    headers: &HeaderMap,
    expected: Digest,
) -> Result<(), RegistryError> {
    let Some(value) = headers.get("docker-content-digest") else {
        return Ok(());
    };
    let found = value.to_str().unwrap_or_default();
    // Another algorithm is not comparable, and not wrong.
    if found == expected.to_string() || !found.starts_with("sha256:") {
        return Ok(());
    }
    Err(operation.protocol(Violation::Digest {
        expected,
        found: sanitize(found),
    }))
}

/// Returns the error for a session that the registry opened and does not know: no object is missing, so it is no "not found".
fn forgotten(error: RegistryError) -> RegistryError {
    match error {
        RegistryError::NotFound { operation, refusal } if refusal.code == SESSION_UNKNOWN => {
            operation.protocol(Violation::Refused(refusal))
        }
        error => error,
    }
}

/// Says why a session failed, where a new one may mend it.
fn worth_a_session(error: &RegistryError) -> Option<Cause> {
    match error {
        RegistryError::Unavailable { fault, .. } => {
            (!matches!(fault, Fault::Tls { .. } | Fault::Name { .. })).then_some(Cause::Transient)
        }
        RegistryError::Throttled { retry_after, .. } => Some(Cause::Throttled(*retry_after)),
        RegistryError::NotFound { refusal, .. } => {
            (refusal.code == SESSION_UNKNOWN).then_some(Cause::Transient)
        }
        RegistryError::Protocol {
            violation: Violation::Refused(refusal),
            ..
        } => (refusal.status == 416 || refusal.code == "BLOB_UPLOAD_INVALID")
            .then_some(Cause::Transient),
        _ => None,
    }
}
