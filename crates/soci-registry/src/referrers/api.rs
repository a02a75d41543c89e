//! The referrers API (OCI distribution-spec, "Listing Referrers").

use reqwest::Method;
use reqwest::header::{ACCEPT, LINK};
use serde::Deserialize;
use serde_json::{Map, Value};
use soci_oci::{Descriptor, Digest, media_type};
use url::Url;

use super::entries::{malformed_list, parse_descriptors};
use crate::error::{Operation, Refusal, RegistryError, Violation};
use crate::http::egress::is_same_origin;
use crate::http::request::Request;
use crate::manifest::MAX_MANIFEST_SIZE;
use crate::repository::{Document, DocumentOutcome, Repository};

/// Number of pages of a list that are read.
const MAX_PAGES: u32 = 100;

/// A page of the list: an image index, of which only these fields matter.
#[derive(Deserialize)]
struct Page {
    /// Go programs write an empty list as `null`.
    manifests: Option<Vec<Value>>,
    #[serde(default)]
    annotations: Option<Map<String, Value>>,
}

/// Lists referrers with the API. Returns `None` if the registry does not have it.
pub(super) async fn list_by_api(
    repository: &Repository,
    operation: &Operation,
    subject: Digest,
    artifact_type: &str,
) -> Result<Option<Vec<Descriptor>>, RegistryError> {
    let mut url = repository.url(&format!("referrers/{subject}"));
    url.query_pairs_mut()
        .append_pair("artifactType", artifact_type);
    let mut descriptors = Vec::new();
    for number in 0..MAX_PAGES {
        let is_first = number == 0;
        let request = Request::new(Method::GET, url.clone()).header(ACCEPT, media_type::OCI_INDEX);
        let document = repository.fetch_document(operation, &request, MAX_MANIFEST_SIZE);
        let document = match document.await? {
            DocumentOutcome::Found(document) => document,
            DocumentOutcome::Rejected(refusal) if is_first && is_unsupported(&refusal) => {
                return Ok(None);
            }
            DocumentOutcome::Rejected(refusal) => {
                return Err(repository.rejection_error(operation, &request, refusal));
            }
        };
        if document.media_type() != media_type::OCI_INDEX {
            if is_first {
                return Ok(None);
            }
            return Err(malformed_list(operation, "a page is not an image index"));
        }
        let page: Page = serde_json::from_slice(&document.bytes)
            .map_err(|error| malformed_list(operation, error))?;
        let filter = (!is_filtered(&document, &page)).then_some(artifact_type);
        descriptors.extend(parse_descriptors(
            page.manifests.unwrap_or_default(),
            filter,
        ));
        match next_page_url(operation, &url, &document)? {
            Some(next) => url = next,
            None => return Ok(Some(descriptors)),
        }
    }
    Err(operation.protocol(Violation::Limit {
        what: "pages of referrers",
        limit: MAX_PAGES.into(),
    }))
}

/// Returns whether a refusal may mean that the registry has no referrers API. A 404 may also mean
/// that it has no such repository, which the look-up of the fallback tag tells: some registries
/// answer `NAME_UNKNOWN` to every path that they do not know.
fn is_unsupported(refusal: &Refusal) -> bool {
    matches!(refusal.status, 400 | 404 | 405 | 406 | 501)
}

/// Returns whether the registry has filtered the list by artifact type. It says so in a header, or
/// in an annotation as of release candidates of distribution-spec 1.1.
fn is_filtered(document: &Document, page: &Page) -> bool {
    let header = document.header("oci-filters-applied").unwrap_or_default();
    let annotation = page
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get("org.opencontainers.referrers.filtersApplied"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut filters = header.split(',').chain(annotation.split(','));
    filters.any(|filter| filter.trim() == "artifactType")
}

/// Returns the URL of the next page, if the response names one. It must have the registry's own
/// origin.
fn next_page_url(
    operation: &Operation,
    from: &Url,
    document: &Document,
) -> Result<Option<Url>, RegistryError> {
    let links = document.headers.get_all(LINK).iter();
    let mut links = links.filter_map(|value| find_next_link(value.to_str().ok()?));
    let Some(link) = links.next() else {
        return Ok(None);
    };
    let unusable = Violation::Header {
        status: 200,
        name: "Link",
    };
    let url = from.join(link).ok();
    let url = url.filter(|url| is_same_origin(from, url));
    url.map(Some).ok_or_else(|| operation.protocol(unusable))
}

/// Returns the target of the link with `rel="next"` (RFC 8288).
pub(crate) fn find_next_link(value: &str) -> Option<&str> {
    value.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parameters = parameters.split(';').map(str::trim);
        let is_next = parameters.any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next"));
        is_next.then_some(target)
    })
}
