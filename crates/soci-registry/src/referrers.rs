//! Referrers: the manifests that name another manifest as their subject (OCI distribution-spec,
//! "Listing Referrers").
//!
//! On a registry without the referrers API, clients maintain the list themselves, in an index under
//! the fallback tag `sha256-<hex>`.

pub(crate) mod api;
mod entries;
pub(crate) mod support;
mod tag;
mod tagged_index;

use soci_document::ReferrersVia;
use soci_oci::{Descriptor, Digest};

use crate::error::RegistryError;
use crate::repository::Repository;
use entries::{Collector, malformed_list};
use tag::FallbackTag;
pub use tag::ReadTag;

/// The manifests of one artifact type that name a subject.
#[derive(Clone, Debug)]
pub struct Referrers {
    /// Their descriptors, in the registry's order.
    pub descriptors: Vec<Descriptor>,
    /// How the registry lists them. [`ReferrersVia::None`] means that the registry has no referrers
    /// API and that no client has written the fallback tag yet.
    pub via: ReferrersVia,
    /// What the fallback tag held, for [`Repository::add_to_referrers_tag`]. `None` if the registry
    /// has the API.
    pub tag: Option<ReadTag>,
}

impl Referrers {
    /// Returns referrers that are found without a fallback tag.
    pub const fn by_api(descriptors: Vec<Descriptor>) -> Self {
        Self {
            descriptors,
            via: ReferrersVia::Api,
            tag: None,
        }
    }

    /// Returns whether the manifest `digest` is listed.
    pub fn contains(&self, digest: Digest) -> bool {
        self.descriptors.iter().any(|found| found.digest == digest)
    }
}

impl Repository {
    /// Lists the manifests of type `artifact_type` that name `subject`.
    ///
    /// # Errors
    ///
    /// Returns [`RegistryError::NotFound`] if the registry has no such repository, and
    /// [`RegistryError::Protocol`] if a list is malformed or has too many pages. Returns another
    /// error if a request fails.
    pub async fn list_referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Referrers, RegistryError> {
        let operation = self.operation("list referrers", subject);
        let support = &self.registry().referrers_support;
        let _trial = support.begin_trial().await;
        let may_exist = support.may_exist();
        if may_exist {
            let listed = api::list_by_api(self, &operation, subject, artifact_type).await?;
            if let Some(descriptors) = listed {
                support.record_supported();
                return Ok(Referrers::by_api(descriptors));
            }
        }
        let tag = FallbackTag::new(self, &operation, subject);
        let read = tag.read().await;
        // A repository that does not exist shows nothing about the API.
        if may_exist && !matches!(read, Err(RegistryError::NotFound { .. })) {
            support.record_unsupported();
            tracing::debug!(
                "{operation}: the registry has no referrers API; using the tag `{}`",
                tag.name()
            );
        }
        let read = read?;
        let mut collector = Collector::new(artifact_type);
        let mut via = ReferrersVia::None;
        if let Some(index) = &read.index {
            via = ReferrersVia::Tag;
            let list = index
                .list()
                .map_err(|error| malformed_list(&operation, error))?;
            if let Some(list) = list {
                collector.add(&operation, list, false)?;
            }
        }
        Ok(Referrers {
            descriptors: collector.finish(),
            via,
            tag: Some(read),
        })
    }
}
