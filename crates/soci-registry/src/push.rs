//! Uploads: blobs by one session and one `PUT` each, manifests by one `PUT`.
//!
//! Parts are not used: ECR's answers to them are its own, and what this project sends is small. A session that failed is
//! never used again.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, IF_MATCH};
use reqwest::{Method, Response};
use soci_oci::{Descriptor, Digest, media_type};
use std::sync::Mutex;
use std::time::Duration;
use url::Url;

use crate::auth::scope::Scope;
use crate::blob::BlobStream;
use crate::client::Repository;
use crate::error::{Damage, Operation, Refusal, RegistryError, Violation};
use crate::http::{Body, Request, pause};
use crate::manifest::{self, ManifestName};
use crate::redirect;
use crate::reply::{Answer, printable};
use crate::retry::{Backoff, Cause};

/// What came of asking a registry to take a blob from another of its repositories.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mount {
    /// The blob is there.
    Mounted,
    /// It must be uploaded.
    Refused,
}

/// What a registry says about a manifest that it took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PushedManifest {
    /// Whether the registry lists the manifest among the referrers of its subject, as `OCI-Subject` says.
    pub subject_processed: bool,
}

/// How often a manifest is sent whose blobs the registry does not know yet, though they are there.
const UNKNOWN_BLOB_TRIES: u32 = 3;

impl Repository {
    /// Asks the registry to take a blob from its repository `from`.
    ///
    /// # Errors
    ///
    /// Where the registry does not answer; a refusal is none, since an upload does the same.
    pub async fn mount_blob(&self, digest: Digest, from: &str) -> Result<Mount, RegistryError> {
        let operation = self.operation("mount blob", digest);
        let mut url = self.url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", from);
        let request = Request::new(Method::POST, url);
        let scope = Scope::push(self.name()).and_pull(from);
        match self.send_for(&operation, &request, &scope).await {
            Ok(Answer::Done(response)) if response.status().as_u16() == 201 => Ok(Mount::Mounted),
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
        let retries = &self.transport().retries;
        let mut backoff = Backoff::new(retries);
        for _ in 1..retries.upload_sessions {
            let stream = crate::upload::pieces(content.clone());
            let error = match self.session(&operation, descriptor, stream).await {
                Err(error) if is_worth_a_session(&error) => error,
                other => return other,
            };
            let wait = backoff.wait(Cause::Transient).unwrap_or_default();
            pause(&operation, &error.to_string(), backoff.tries(), wait).await;
            // The reply may be all that was lost.
            if self.blob_exists(descriptor.digest).await? {
                return Ok(());
            }
        }
        let stream = crate::upload::pieces(content);
        self.session(&operation, descriptor, stream).await
    }

    /// Uploads a blob from a stream. It is sent once: where that fails, the caller starts over with another stream.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadData`] where the stream has not the length that the descriptor says, else as the stream or the
    /// registry fails.
    pub async fn push_blob_stream(
        &self,
        descriptor: &Descriptor,
        content: BlobStream,
    ) -> Result<(), RegistryError> {
        let operation = self.operation("push blob", descriptor.digest);
        self.session(&operation, descriptor, content).await
    }

    /// Uploads a blob in one session.
    async fn session(
        &self,
        operation: &Operation,
        descriptor: &Descriptor,
        content: BlobStream,
    ) -> Result<(), RegistryError> {
        let mut url = self.open_session(operation).await?;
        let digest = descriptor.digest;
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let request = Request::new(Method::PUT, url)
            .header(CONTENT_TYPE, media_type::OCTET_STREAM)
            .body(Body::Once(Mutex::new(Some(content)), descriptor.size));
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
    /// [`RegistryError::BadData`] where it is larger than registries take, else as the registry fails.
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
        Err(self.refuse(&operation, &request, refusal))
    }

    /// Writes a manifest to a tag. With the entity tag of what was there before, only over that; else it does nothing.
    pub(crate) async fn write_tag(
        &self,
        tag: &str,
        media_type: &str,
        bytes: Bytes,
        before: Option<&str>,
    ) -> Result<(), RegistryError> {
        let name = ManifestName::Tag(tag);
        let operation = self.operation("push manifest", name);
        let mut request = self.put_manifest(&operation, name, media_type, &bytes)?;
        if let Some(entity) = before {
            request = request.header(IF_MATCH, entity);
        }
        match self.put(&operation, &request, &bytes).await? {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.status == 412 => Ok(()),
            Err(refusal) => Err(self.refuse(&operation, &request, refusal)),
        }
    }

    fn put_manifest(
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

    /// Sends a manifest, again where the registry has not noticed its blobs yet.
    async fn put(
        &self,
        operation: &Operation,
        request: &Request,
        bytes: &Bytes,
    ) -> Result<Result<PushedManifest, Refusal>, RegistryError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let refusal = match self.send(operation, request).await? {
                Answer::Done(response) => {
                    stored(operation, response.headers(), Digest::of(bytes))?;
                    let subject_processed = response.headers().contains_key("oci-subject");
                    return Ok(Ok(PushedManifest { subject_processed }));
                }
                Answer::Elsewhere => return Err(operation.protocol(Violation::Redirected)),
                Answer::Refused(refused) => refused.refusal,
            };
            let is_early = refusal.code == "MANIFEST_BLOB_UNKNOWN"
                || refusal.message.contains("LayersNotFound");
            if !is_early || tries == UNKNOWN_BLOB_TRIES {
                return Ok(Err(refusal));
            }
            let base = self.transport().retries.throttled_base;
            let wait = base.min(Duration::from_secs(10)) * tries;
            let so_far = crate::error::Tries {
                count: tries,
                elapsed: Duration::ZERO,
            };
            pause(operation, &refusal.to_string(), so_far, wait).await;
        }
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
        found: printable(found),
    }))
}

/// Says whether a new session may mend what broke the last one.
fn is_worth_a_session(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unavailable { fault, .. } => !matches!(
            fault,
            crate::error::Fault::Tls { .. } | crate::error::Fault::Name { .. }
        ),
        RegistryError::NotFound { refusal, .. } => refusal.code == "BLOB_UPLOAD_UNKNOWN",
        RegistryError::Protocol {
            violation: Violation::Refused(refusal),
            ..
        } => refusal.status == 416 || refusal.code == "BLOB_UPLOAD_INVALID",
        _ => false,
    }
}
