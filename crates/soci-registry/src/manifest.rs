//! Fetches manifests and indexes: small documents that are read completely and verified.

pub(crate) mod kind;

use std::fmt;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::ACCEPT;
use soci_oci::{Descriptor, Digest, media_type};

use crate::error::{Damage, Operation, RegistryError};
use crate::http::request::Request;
use crate::http::response::Outcome;
use crate::lookup;
use crate::repository::{Document, DocumentOutcome, DocumentSize, Repository};

/// Largest manifest that is read or sent, in bytes. This is the limit of Amazon ECR, and the size
/// that every registry is expected to accept (OCI distribution-spec, "Pushing Manifests").
pub(crate) const MAX_MANIFEST_SIZE: u64 = 4 << 20;

/// Names a manifest in a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ManifestName<'a> {
    /// The digest of its bytes.
    Digest(Digest),
    /// A tag, which may point to another manifest the next time.
    Tag(&'a str),
}

/// A manifest or an index.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its media type, and digest and length of its bytes.
    pub descriptor: Descriptor,
    /// The document. If it was fetched by digest, its digest has been verified.
    pub bytes: Bytes,
}

/// A manifest with the entity tag of the response (RFC 9110, section 8.8.3).
#[derive(Debug)]
pub(crate) struct ManifestResponse {
    pub(crate) manifest: Manifest,
    pub(crate) entity_tag: Option<String>,
}

impl fmt::Display for ManifestName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
        }
    }
}

impl Repository {
    /// Fetches a manifest of at most 4 MiB. Returns `None` if the repository does not contain it.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::NotFound`] if the registry has no such repository, and
    /// [`RegistryError::BadData`] if the manifest is too large, differs from its digest, or has two
    /// media types. Returns another error if the request fails.
    pub async fn fetch_manifest(
        &self,
        name: ManifestName<'_>,
    ) -> Result<Option<Manifest>, RegistryError> {
        let response = self.fetch_manifest_response(name).await?;
        Ok(response.map(|response| response.manifest))
    }

    /// Fetches the manifest that a descriptor names. Returns `None` if the repository does not
    /// contain it. Of a manifest that is longer than the descriptor tells, no more is read.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Repository::fetch_manifest`], and [`RegistryError::BadData`] if the
    /// manifest has another length than the descriptor tells.
    pub async fn fetch_described_manifest(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Option<Manifest>, RegistryError> {
        let name = ManifestName::Digest(descriptor.digest);
        if descriptor.size > MAX_MANIFEST_SIZE {
            let limit = MAX_MANIFEST_SIZE;
            let operation = self.operation("fetch manifest", name);
            return Err(operation.bad_data(Damage::TooLarge { limit }));
        }
        let size = DocumentSize::Exactly(descriptor.size);
        let response = self.fetch_sized_manifest(name, size).await?;
        Ok(response.map(|response| response.manifest))
    }

    /// Fetches a manifest with its entity tag.
    pub(crate) async fn fetch_manifest_response(
        &self,
        name: ManifestName<'_>,
    ) -> Result<Option<ManifestResponse>, RegistryError> {
        let size = DocumentSize::AtMost(MAX_MANIFEST_SIZE);
        self.fetch_sized_manifest(name, size).await
    }

    /// Fetches a manifest. One with another digest or length than expected is fetched once more,
    /// because a cache on the way may have served a damaged copy.
    async fn fetch_sized_manifest(
        &self,
        name: ManifestName<'_>,
        size: DocumentSize,
    ) -> Result<Option<ManifestResponse>, RegistryError> {
        let operation = self.operation("fetch manifest", name);
        let request = self.manifest_request(Method::GET, name);
        let mut is_refetched = false;
        loop {
            match self
                .try_fetch_manifest(&operation, &request, name, size)
                .await
            {
                Err(RegistryError::BadData {
                    damage: Damage::Digest { .. } | Damage::Size { .. },
                    ..
                }) if !is_refetched => is_refetched = true,
                outcome => return outcome,
            }
        }
    }

    /// Fetches a manifest once, and verifies it.
    async fn try_fetch_manifest(
        &self,
        operation: &Operation,
        request: &Request,
        name: ManifestName<'_>,
        size: DocumentSize,
    ) -> Result<Option<ManifestResponse>, RegistryError> {
        let document = match self.fetch_document(operation, request, size).await? {
            DocumentOutcome::Found(document) => document,
            DocumentOutcome::Rejected(refusal)
                if refusal.status == 404 && refusal.code != "NAME_UNKNOWN" =>
            {
                return Ok(None);
            }
            DocumentOutcome::Rejected(refusal) => {
                return Err(self.rejection_error(operation, request, refusal));
            }
        };
        let descriptor = verify_manifest(operation, name, &document)?;
        let entity_tag = document.header("etag").map(str::to_owned);
        let bytes = document.bytes;
        Ok(Some(ManifestResponse {
            manifest: Manifest { descriptor, bytes },
            entity_tag,
        }))
    }

    /// Returns the digest of a manifest, with a `HEAD` request if the registry answers it. Returns
    /// `None` if the repository does not contain the manifest, and also if the registry does not
    /// tell, since the manifest can then be pushed.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry cannot be reached, or if no credentials are accepted.
    pub async fn resolve_digest(
        &self,
        name: ManifestName<'_>,
    ) -> Result<Option<Digest>, RegistryError> {
        let operation = self.operation("look up manifest", name);
        let found = self.find_digest(&operation, name).await;
        lookup::open_as_none(&operation, found)
    }

    /// Returns the digest of a manifest, with a `HEAD` request if the registry answers it.
    pub(crate) async fn find_digest(
        &self,
        operation: &Operation,
        name: ManifestName<'_>,
    ) -> Result<Option<Digest>, RegistryError> {
        let request = self.manifest_request(Method::HEAD, name);
        match self.send(operation, &request).await? {
            Outcome::Rejected(rejection) if rejection.refusal.status == 404 => return Ok(None),
            Outcome::Success(response) => {
                let digest = response.headers().get("docker-content-digest");
                let digest = digest.and_then(|value| value.to_str().ok()?.parse().ok());
                if digest.is_some() {
                    return Ok(digest);
                }
            }
            Outcome::CrossOriginRedirect | Outcome::Rejected(_) => {}
        }
        // The rejection of a `HEAD` request has no body with a reason, and some registries send no
        // digest, so this fetches the manifest.
        let manifest = self.fetch_manifest(name).await?;
        Ok(manifest.map(|manifest| manifest.descriptor.digest))
    }

    fn manifest_request(&self, method: Method, name: ManifestName<'_>) -> Request {
        let url = self.url(&format!("manifests/{name}"));
        Request::new(method, url).header(ACCEPT, media_type::MANIFESTS.join(", "))
    }
}

/// Verifies a manifest and returns its descriptor.
fn verify_manifest(
    operation: &Operation,
    name: ManifestName<'_>,
    document: &Document,
) -> Result<Descriptor, RegistryError> {
    let expected = match name {
        ManifestName::Digest(digest) => Some(digest),
        // The digest that the registry itself announces.
        ManifestName::Tag(_) => document
            .header("docker-content-digest")
            .and_then(|text| text.parse().ok()),
    };
    let found = expected.map_or_else(
        || Digest::of(&document.bytes),
        |expected: Digest| expected.same_algorithm(&document.bytes),
    );
    if let Some(expected) = expected
        && expected != found
    {
        return Err(operation.bad_data(Damage::Digest {
            expected: Box::new(expected),
            found: Box::new(found),
        }));
    }
    let media_type = kind::find_media_type(&document.bytes, document.media_type())
        .map_err(|damage| operation.bad_data(damage))?;
    let size = document.bytes.len() as u64;
    Ok(Descriptor::new(&media_type, found, size))
}
