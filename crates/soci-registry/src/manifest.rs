//! Manifests and indexes: small documents that are read whole and verified.

use std::fmt;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde::Deserialize;
use soci_oci::{Descriptor, Digest, media_type};

use crate::client::{Document, Repository};
use crate::error::sanitize::sanitize;
use crate::error::{Damage, Operation, RegistryError};
use crate::http::request::Request;
use crate::http::response::Answer;

/// The largest manifest that is read or sent, in bytes: what ECR takes.
pub(crate) const LIMIT: u64 = 4 << 20;

/// Names a manifest in a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ManifestName<'a> {
    /// By the digest of its bytes.
    Digest(Digest),
    /// By a tag, which may point elsewhere the next time.
    Tag(&'a str),
}

/// A manifest or an index as it came.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its media type, the digest of its bytes, and their number.
    pub descriptor: Descriptor,
    /// The document. Its digest is right where it was asked for by digest.
    pub bytes: Bytes,
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
    /// Fetches a manifest of at most 4 MiB. `None` where the repository does not hold it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] where the registry says that there is no such repository;
    /// [`RegistryError::BadData`] where it is too large, is not what its digest says, or has two media types; else as the
    /// registry fails.
    pub async fn manifest(
        &self,
        name: ManifestName<'_>,
    ) -> Result<Option<Manifest>, RegistryError> {
        Ok(self
            .tagged_manifest(name)
            .await?
            .map(|(manifest, _)| manifest))
    }

    /// Fetches a manifest with its entity tag, where the registry gives one.
    pub(crate) async fn tagged_manifest(
        &self,
        name: ManifestName<'_>,
    ) -> Result<Option<(Manifest, Option<String>)>, RegistryError> {
        let operation = self.operation("fetch manifest", name);
        let request = self.manifest_request(Method::GET, name)?;
        let mut refetched = false;
        loop {
            let document = match self.document(&operation, &request, LIMIT).await? {
                Ok(document) => document,
                Err(refusal) if refusal.status == 404 && refusal.code != "NAME_UNKNOWN" => {
                    return Ok(None);
                }
                Err(refusal) => return Err(self.refuse(&operation, &request, refusal)),
            };
            match check(&operation, name, &document) {
                // Once more: caches on the way have been seen to serve damaged content.
                Err(RegistryError::BadData {
                    damage: Damage::Digest { .. },
                    ..
                }) if !refetched => refetched = true,
                Err(error) => return Err(error),
                Ok(descriptor) => {
                    let tag = document.header("etag").map(str::to_owned);
                    let bytes = document.bytes;
                    return Ok(Some((Manifest { descriptor, bytes }, tag)));
                }
            }
        }
    }

    /// Returns the digest of a manifest without fetching it, where the registry can say. `None` where it does not hold it.
    ///
    /// # Errors
    ///
    /// As [`Repository::manifest`].
    pub async fn manifest_digest(
        &self,
        name: ManifestName<'_>,
    ) -> Result<Option<Digest>, RegistryError> {
        let operation = self.operation("look up manifest", name);
        let request = self.manifest_request(Method::HEAD, name)?;
        let answer = self.send(&operation, &request).await?;
        match answer {
            Answer::Refused(refused) if refused.refusal.status == 404 => return Ok(None),
            Answer::Done(response) => {
                let digest = response.headers().get("docker-content-digest");
                let digest = digest.and_then(|value| value.to_str().ok()?.parse().ok());
                if digest.is_some() {
                    return Ok(digest);
                }
            }
            Answer::Elsewhere | Answer::Refused(_) => {}
        }
        // A refused `HEAD` has no body that says why, and some registries give no digest: ask again in full.
        let manifest = self.manifest(name).await?;
        Ok(manifest.map(|manifest| manifest.descriptor.digest))
    }

    fn manifest_request(
        &self,
        method: Method,
        name: ManifestName<'_>,
    ) -> Result<Request, RegistryError> {
        let url = self.url(&format!("manifests/{name}"))?;
        Ok(Request::new(method, url).header(ACCEPT, media_type::MANIFESTS.join(", ")))
    }
}

/// The one field that every kind of manifest may have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    media_type: Option<String>,
}

/// Verifies what came, and returns its descriptor.
fn check(
    operation: &Operation,
    name: ManifestName<'_>,
    document: &Document,
) -> Result<Descriptor, RegistryError> {
    let found = Digest::of(&document.bytes);
    let expected = match name {
        ManifestName::Digest(digest) => Some(digest),
        // What the registry itself says that it sends.
        ManifestName::Tag(_) => document
            .header("docker-content-digest")
            .and_then(|text| text.parse().ok()),
    };
    if let Some(expected) = expected
        && expected != found
    {
        return Err(operation.bad_data(Damage::Digest { expected, found }));
    }
    let typed: Typed = serde_json::from_slice(&document.bytes).map_err(|error| {
        operation.bad_data(Damage::Document {
            what: "the manifest",
            reason: error.to_string(),
        })
    })?;
    let media_type = agree(document.media_type(), typed.media_type.as_deref())
        .map_err(|damage| operation.bad_data(damage))?;
    let size = document.bytes.len() as u64;
    Ok(Descriptor::new(&media_type, found, size))
}

/// Returns the media type on which reply and document agree (CVE-2021-41190: they must not differ).
fn agree(served: &str, own: Option<&str>) -> Result<String, Damage> {
    let is_vague = matches!(
        served,
        "" | "application/json" | "application/octet-stream" | "text/plain"
    );
    match own {
        Some(own) if is_vague || own == served => Ok(own.to_owned()),
        Some(own) => Err(Damage::MediaType {
            served: sanitize(served),
            found: sanitize(own),
        }),
        None => Ok(served.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_no_manifest_for_an_index() {
        let both = agree(media_type::OCI_INDEX, Some(media_type::OCI_MANIFEST));
        assert!(matches!(both, Err(Damage::MediaType { .. })));
        let vague = agree("application/json", Some(media_type::OCI_INDEX));
        assert_eq!(vague.as_deref(), Ok(media_type::OCI_INDEX));
        let silent = agree(media_type::OCI_MANIFEST, None);
        assert_eq!(silent.as_deref(), Ok(media_type::OCI_MANIFEST));
    }
}
