//! The referrers API (OCI distribution-spec, "Listing Referrers").

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::{ACCEPT, LINK};
use serde::Deserialize;
use serde_json::value::RawValue;
use soci_oci::{Descriptor, Digest, media_type};
use url::Url;

use super::entries::{Collector, malformed_list};
use crate::error::{Operation, Refusal, RegistryError, Violation};
use crate::http::egress::is_same_origin;
use crate::http::request::Request;
use crate::manifest::MAX_MANIFEST_SIZE;
use crate::repository::{Document, DocumentOutcome, DocumentSize, Repository};

/// Number of pages of a list that are read.
const MAX_PAGES: u32 = 100;

/// Bytes of a list that are read, in all of its pages.
const MAX_LIST_SIZE: u64 = 32 << 20;

/// A page of the list: an image index, of which only these fields matter.
#[derive(Deserialize)]
struct Page<'a> {
    /// Go programs write an empty list as `null`.
    #[serde(borrow)]
    manifests: Option<&'a RawValue>,
    #[serde(default, borrow)]
    annotations: Option<Annotations<'a>>,
}

/// The annotation of a page in which a registry tells its filters, as of release candidates of
/// distribution-spec 1.1.
#[derive(Deserialize)]
struct Annotations<'a> {
    #[serde(
        rename = "org.opencontainers.referrers.filtersApplied",
        default,
        borrow
    )]
    filters_applied: Option<&'a RawValue>,
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
    let mut collector = Collector::new(artifact_type);
    let mut history = History::default();
    for number in 0..MAX_PAGES {
        let Some(document) = fetch_page(repository, operation, &url, number).await? else {
            return Ok(None);
        };
        history.add(operation, &url, &document)?;
        let page = parse_page(operation, &document)?;
        if let Some(list) = page.manifests {
            collector.add(operation, list, is_filtered(&document, &page))?;
        }
        match next_page_url(operation, &url, &document)? {
            Some(next) if history.urls.contains(&next) => return Err(looping_list(operation)),
            Some(next) => url = next,
            None => return Ok(Some(collector.finish())),
        }
    }
    Err(operation.protocol(Violation::Limit {
        what: "pages of referrers",
        limit: MAX_PAGES.into(),
    }))
}

/// Parses a page. A list in the place of the object would be read as its fields.
fn parse_page<'a>(
    operation: &Operation,
    document: &'a Document,
) -> Result<Page<'a>, RegistryError> {
    if document.bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(malformed_list(operation, "expected an object"));
    }
    serde_json::from_slice(&document.bytes).map_err(|error| malformed_list(operation, error))
}

/// Fetches one page of the list. Returns `None` if the response to the request for the first page
/// (`number` 0) shows that the registry does not have the API.
async fn fetch_page(
    repository: &Repository,
    operation: &Operation,
    url: &Url,
    number: u32,
) -> Result<Option<Document>, RegistryError> {
    let is_first = number == 0;
    let request = Request::new(Method::GET, url.clone()).header(ACCEPT, media_type::OCI_INDEX);
    let size = DocumentSize::AtMost(MAX_MANIFEST_SIZE);
    let document = match repository.fetch_document(operation, &request, size).await? {
        DocumentOutcome::Found(document) => document,
        DocumentOutcome::Rejected(refusal) if is_first && is_unsupported(&refusal) => {
            return Ok(None);
        }
        DocumentOutcome::Rejected(refusal) => {
            return Err(repository.rejection_error(operation, &request, refusal));
        }
    };
    if document.media_type() == media_type::OCI_INDEX {
        return Ok(Some(document));
    }
    if is_first {
        return Ok(None);
    }
    Err(malformed_list(operation, "a page is not an image index"))
}

/// The pages that were read.
#[derive(Default)]
struct History {
    bytes: u64,
    urls: BTreeSet<Url>,
    /// The digests of the pages with entries.
    digests: BTreeSet<Digest>,
}

impl History {
    /// Adds a page.
    ///
    /// # Errors
    ///
    /// Returns an error if the page was read before, or if all pages together are too long.
    fn add(
        &mut self,
        operation: &Operation,
        url: &Url,
        document: &Document,
    ) -> Result<(), RegistryError> {
        let bytes = &document.bytes;
        self.bytes += bytes.len() as u64;
        if self.bytes > MAX_LIST_SIZE {
            return Err(operation.protocol(Violation::Limit {
                what: "bytes in the list of referrers",
                limit: MAX_LIST_SIZE,
            }));
        }
        // A registry that filters may send several pages without entries, which are equal.
        let has_entries = bytes.len() > EMPTY_PAGE_SIZE;
        let is_known = has_entries && !self.digests.insert(Digest::of(bytes));
        self.urls.insert(url.clone());
        if is_known {
            return Err(looping_list(operation));
        }
        Ok(())
    }
}

/// Returns the error for a list whose pages do not end.
fn looping_list(operation: &Operation) -> RegistryError {
    malformed_list(operation, "its pages lead back to one that was read before")
}

/// The length in bytes up to which a page may hold no entry: its digest alone has 71 bytes.
const EMPTY_PAGE_SIZE: usize = 256;

/// Returns whether a refusal may mean that the registry has no referrers API. A 404 may also mean
/// that it has no such repository, which the look-up of the fallback tag tells: some registries
/// answer `NAME_UNKNOWN` to every path that they do not know.
fn is_unsupported(refusal: &Refusal) -> bool {
    matches!(refusal.status, 400 | 404 | 405 | 406 | 501)
}

/// Returns whether the registry has filtered the list by artifact type. It says so in a header, or
/// in an annotation.
fn is_filtered(document: &Document, page: &Page<'_>) -> bool {
    let header = document.header("oci-filters-applied").unwrap_or_default();
    let annotations = page.annotations.as_ref();
    let annotation = annotations
        .and_then(|annotations| annotations.filters_applied)
        .and_then(|filters| serde_json::from_str::<String>(filters.get()).ok())
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
