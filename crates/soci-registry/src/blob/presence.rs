//! Whether a repository has a blob, and of which size.

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use soci_oci::Digest;

use crate::blob::content_range::ContentRange;
use crate::error::RegistryError;
use crate::http::request::Request;
use crate::http::response::{Outcome, Response};
use crate::repository::Repository;

/// What a registry tells of a blob without sending it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlobPresence {
    /// The repository does not have the blob.
    Absent,
    /// The repository has the blob. Its storage, to which the registry redirects, was not asked for
    /// the size.
    Present,
    /// The repository has the blob, and it has this many bytes.
    OfSize(u64),
}

impl Repository {
    /// Looks for a blob without reading it. Unlike [`Repository::blob_exists`], which only saves an
    /// upload, this does not take an answer that leaves it open for a missing blob.
    ///
    /// # Errors
    ///
    /// Returns an error if the registry does not tell whether it has the blob, cannot be reached,
    /// or accepts no credentials.
    pub async fn find_blob_presence(&self, digest: Digest) -> Result<BlobPresence, RegistryError> {
        let operation = self.operation("look up blob", digest);
        let url = self.url(&format!("blobs/{digest}"));
        let head = Request::new(Method::HEAD, url.clone());
        match self.send(&operation, &head).await? {
            Outcome::Success(response) => return Ok(read_size(&response)),
            // A redirect leads to the storage of the blob, where only a `GET` is valid.
            Outcome::CrossOriginRedirect => return Ok(BlobPresence::Present),
            Outcome::Rejected(rejection) if rejection.refusal.status == 404 => {
                return Ok(BlobPresence::Absent);
            }
            Outcome::Rejected(_) => {}
        }
        // Some registries and their storage allow a `GET` only.
        let get = Request::new(Method::GET, url).header(RANGE, "bytes=0-0");
        match self.send(&operation, &get).await? {
            Outcome::Success(response) => Ok(read_size(&response)),
            Outcome::CrossOriginRedirect => Ok(BlobPresence::Present),
            Outcome::Rejected(rejection) => match rejection.refusal.status {
                404 => Ok(BlobPresence::Absent),
                // An empty blob has no first byte.
                416 => Ok(BlobPresence::OfSize(0)),
                _ => Err(self.rejection_error(&operation, &get, rejection.refusal)),
            },
        }
    }
}

/// Returns the size that the headers of a response name: that of the whole blob, if the response
/// has a part of it (RFC 9110, section 14.4).
fn read_size(response: &Response) -> BlobPresence {
    let header = |name| response.headers().get(name)?.to_str().ok();
    let size = match header(CONTENT_RANGE) {
        Some(range) => ContentRange::parse(range).map(|range| range.total),
        None => header(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
    };
    size.map_or(BlobPresence::Present, BlobPresence::OfSize)
}
