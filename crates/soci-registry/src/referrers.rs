//! Referrers: which manifests name another one as their subject (OCI distribution-spec, "Listing Referrers").
//!
//! A registry without the API keeps the list in an index under the tag `sha256-<hex>`, which its clients must maintain.

mod tag;

use std::sync::atomic::Ordering;

use reqwest::Method;
use reqwest::header::{ACCEPT, LINK};
use serde::Deserialize;
use serde_json::{Map, Value};
use soci_oci::{Descriptor, Digest, media_type};
use url::Url;

use crate::client::{Document, Repository};
use crate::error::{Operation, Refusal, RegistryError, Violation};
use crate::http::egress;
use crate::http::request::Request;
use crate::manifest::LIMIT;
use tag::Tagged;

/// The manifests of one type that have a subject.
#[derive(Clone, Debug)]
pub struct Referrers {
    /// Their descriptors, in the registry's order.
    pub descriptors: Vec<Descriptor>,
    /// Where the registry keeps the list.
    pub via: ReferrersVia,
}

/// Where a registry keeps the list of referrers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReferrersVia {
    /// It answers `/referrers/`.
    Api,
    /// Nowhere: it has no API, and nobody has written the tag yet.
    None,
    /// In an index under a tag.
    Tag,
}

/// How many pages of a list are read.
const PAGES: u32 = 100;

/// What is remembered of a registry's API.
const UNKNOWN: u8 = 0;
const SUPPORTED: u8 = 1;
const UNSUPPORTED: u8 = 2;

/// A page of a list: an image index of which only the entries matter. Those that cannot be read point to nothing of ours.
#[derive(Deserialize)]
struct Page {
    manifests: Vec<Value>,
    #[serde(default)]
    annotations: Option<Map<String, Value>>,
}

impl Repository {
    /// Lists the manifests of type `artifact_type` that have `subject`.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NotFound`] where there is no such repository, else as the registry fails.
    pub async fn referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Referrers, RegistryError> {
        let operation = self.operation("list referrers", subject);
        let known = &self.registry()?.referrers;
        if known.load(Ordering::Relaxed) != UNSUPPORTED {
            if let Some(descriptors) = self.ask_api(&operation, subject, artifact_type).await? {
                known.store(SUPPORTED, Ordering::Relaxed);
                let via = ReferrersVia::Api;
                return Ok(Referrers { descriptors, via });
            }
            // Some registries have it for some repositories only: those behind a pull-through cache, say.
            if known.load(Ordering::Relaxed) == UNKNOWN {
                known.store(UNSUPPORTED, Ordering::Relaxed);
            }
        }
        let Some(Tagged { list, .. }) = self.read_tag(&operation, subject).await? else {
            return Ok(Referrers {
                descriptors: Vec::new(),
                via: ReferrersVia::None,
            });
        };
        let entries = list.get("manifests").and_then(Value::as_array);
        Ok(Referrers {
            descriptors: readable(entries.cloned().unwrap_or_default(), Some(artifact_type)),
            via: ReferrersVia::Tag,
        })
    }

    /// Asks the API. `None` where there is none.
    async fn ask_api(
        &self,
        operation: &Operation,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let mut url = self.url(&format!("referrers/{subject}"))?;
        url.query_pairs_mut()
            .append_pair("artifactType", artifact_type);
        let mut found = Vec::new();
        for page in 0..PAGES {
            let request =
                Request::new(Method::GET, url.clone()).header(ACCEPT, media_type::OCI_INDEX);
            let document = match self.document(operation, &request, LIMIT).await? {
                Ok(document) => document,
                Err(refusal) if page == 0 && is_unsupported(&refusal) => return Ok(None),
                Err(refusal) => return Err(self.refuse(operation, &request, refusal)),
            };
            if document.media_type() != media_type::OCI_INDEX {
                if page == 0 {
                    return Ok(None);
                }
                return Err(malformed(operation, "a page has another media type"));
            }
            let list: Page = serde_json::from_slice(&document.bytes)
                .map_err(|error| malformed(operation, error))?;
            let filter = (!is_filtered(&document, &list)).then_some(artifact_type);
            found.extend(readable(list.manifests, filter));
            match next_page(operation, &url, &document)? {
                Some(next) => url = next,
                None => return Ok(Some(found)),
            }
        }
        Err(operation.protocol(Violation::Limit {
            what: "pages of referrers",
            limit: PAGES.into(),
        }))
    }
}

fn malformed(operation: &Operation, reason: impl std::fmt::Display) -> RegistryError {
    operation.protocol(Violation::Document {
        what: "the list of referrers",
        reason: crate::error::sanitize::sanitize(&reason.to_string()),
    })
}

/// Says whether a refusal means that there is no API, and not that there is no repository.
fn is_unsupported(refusal: &Refusal) -> bool {
    match refusal.status {
        404 => refusal.code != "NAME_UNKNOWN",
        400 | 405 | 406 | 501 => true,
        _ => false,
    }
}

/// Says whether the registry has chosen by type already.
fn is_filtered(document: &Document, list: &Page) -> bool {
    let header = document.header("oci-filters-applied").unwrap_or_default();
    let annotation = list
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get("org.opencontainers.referrers.filtersApplied"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut filters = header.split(',').chain(annotation.split(','));
    filters.any(|filter| filter.trim() == "artifactType")
}

/// Returns the entries that can be read, of one type where the registry has not chosen.
fn readable(entries: Vec<Value>, artifact_type: Option<&str>) -> Vec<Descriptor> {
    let entries = entries.into_iter();
    let descriptors = entries.filter_map(|entry| serde_json::from_value::<Descriptor>(entry).ok());
    descriptors
        .filter(|found| artifact_type.is_none() || found.artifact_type.as_deref() == artifact_type)
        .collect()
}

/// Returns the next page that a reply names. It must be on the registry itself.
fn next_page(
    operation: &Operation,
    from: &Url,
    document: &Document,
) -> Result<Option<Url>, RegistryError> {
    let links = document.headers.get_all(LINK).iter();
    let mut links = links.filter_map(|value| next_link(value.to_str().ok()?));
    let Some(link) = links.next() else {
        return Ok(None);
    };
    let missing = Violation::Header {
        status: 200,
        name: "Link",
    };
    let url = from.join(link).ok();
    let url = url.filter(|url| egress::same_origin(from, url));
    url.map(Some).ok_or_else(|| operation.protocol(missing))
}

/// Returns the target of the link with `rel="next"` (RFC 8288).
fn next_link(value: &str) -> Option<&str> {
    value.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parameters = parameters.split(';').map(str::trim);
        let is_next = parameters.any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"));
        is_next.then_some(target)
    })
}
