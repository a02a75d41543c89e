//! Downloads of blobs: from the registry itself, and from the presigned URLs that it may redirect
//! to.

use super::{reply::Reply, request::Request, setup::Habit, state::State, storage::Bytes};

impl State {
    pub(super) fn answer_blob(&self, request: &Request, name: &str, digest: &str) -> Reply {
        let mut storage = self.storage();
        let Some(repository) = storage.repositories.get_mut(name) else {
            return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
        };
        let unknown = || Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
        match request.method.as_str() {
            "DELETE" => match repository.blobs.remove(digest) {
                Some(_) => Reply::new(202),
                None => unknown(),
            },
            "HEAD" if self.setup.has(Habit::NoHeadOfBlobs) => Reply::new(401),
            "GET" | "HEAD" => {
                let Some(bytes) = repository.blobs.get(digest) else {
                    return unknown();
                };
                if request.method == "GET" && self.setup.has(Habit::PresignedBlobs) {
                    return self.redirect_to_presigned(digest);
                }
                answer_range(request, bytes).header("Docker-Content-Digest", digest)
            }
            _ => Reply::unsupported(),
        }
    }

    fn redirect_to_presigned(&self, digest: &str) -> Reply {
        let base = self.setup.presigned_base.as_deref().unwrap_or(&self.url);
        let location = format!(
            "{base}/s3/{digest}?X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=canary-presigned"
        );
        Reply::new(307).header("Location", location)
    }

    /// Answers as S3 does: only a `GET` is accepted, with a signature in its URL and no other
    /// credentials.
    pub(super) fn answer_presigned(&self, request: &Request, digest: &str) -> Reply {
        let reject = |status, code: &str, message: &str| {
            Reply::new(status).header("Content-Type", "application/xml").body(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            ))
        };
        if request.header("authorization").is_some() {
            let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
                           query string parameter or the Authorization header should be specified";
            return reject(400, "InvalidArgument", message);
        }
        if request.method != "GET" || request.parameter("X-Amz-Signature").is_none() {
            return reject(
                403,
                "SignatureDoesNotMatch",
                "The request signature does not match",
            );
        }
        match self.storage().blob(digest) {
            Some(bytes) => answer_range(request, bytes),
            None => reject(404, "NoSuchKey", "The specified key does not exist."),
        }
    }
}

/// Returns the range of a blob that is requested, or all of it.
fn answer_range(request: &Request, bytes: &Bytes) -> Reply {
    let size = bytes.len();
    let reply = |status, range| {
        Reply::new(status)
            .shared_body(Bytes::clone(bytes), range)
            .header("Content-Type", "application/octet-stream")
            .header("Accept-Ranges", "bytes")
    };
    let Some((first, last)) = request.range() else {
        return reply(200, 0..size);
    };
    if first >= size || last.is_some_and(|last| last < first) {
        let rejection = Reply::error(416, "RANGE_INVALID", "the range is not within the blob");
        return rejection.header("Content-Range", format!("bytes */{size}"));
    }
    let end = last.map_or(size, |last| size.min(last.saturating_add(1)));
    let range = format!("bytes {first}-{}/{size}", end - 1);
    reply(206, first..end).header("Content-Range", range)
}
