//! Blobs: from the registry itself, and from the presigned URLs that it may redirect to.

use super::{Shared, reply::Reply, request::Request, setup::Habit, storage::Bytes};

impl Shared {
    pub(super) fn blob(&self, request: &Request, name: &str, digest: &str) -> Reply {
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
                    return self.presign(digest);
                }
                part(request, bytes).header("Docker-Content-Digest", digest)
            }
            _ => unsupported(),
        }
    }

    fn presign(&self, digest: &str) -> Reply {
        let base = self.setup.presigned_base.as_deref().unwrap_or(&self.url);
        let location = format!(
            "{base}/s3/{digest}?X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=canary-presigned"
        );
        Reply::new(307).header("Location", location)
    }

    /// Answers as S3 does: for a `GET` that is signed by its URL and by nothing else.
    pub(super) fn presigned(&self, request: &Request, digest: &str) -> Reply {
        let refused = |status, code: &str, message: &str| {
            Reply::new(status).header("Content-Type", "application/xml").body(format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            ))
        };
        if request.header("authorization").is_some() {
            let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
                           query string parameter or the Authorization header should be specified";
            return refused(400, "InvalidArgument", message);
        }
        if request.method != "GET" || request.parameter("X-Amz-Signature").is_none() {
            return refused(
                403,
                "SignatureDoesNotMatch",
                "The request signature does not match",
            );
        }
        match self.storage().blob(digest) {
            Some(bytes) => part(request, bytes),
            None => refused(404, "NoSuchKey", "The specified key does not exist."),
        }
    }
}

pub(super) fn unsupported() -> Reply {
    Reply::error(405, "UNSUPPORTED", "The operation is unsupported.")
}

/// Returns the part of a blob that is asked for.
fn part(request: &Request, bytes: &Bytes) -> Reply {
    let size = bytes.len();
    let reply = |status, range| {
        let reply = Reply::new(status).part(Bytes::clone(bytes), range);
        reply
            .header("Content-Type", "application/octet-stream")
            .header("Accept-Ranges", "bytes")
    };
    let Some((first, last)) = request.range() else {
        return reply(200, 0..size);
    };
    if first >= size || last.is_some_and(|last| last < first) {
        let refused = Reply::error(416, "RANGE_INVALID", "the range is not within the blob");
        return refused.header("Content-Range", format!("bytes */{size}"));
    }
    let end = last.map_or(size, |last| size.min(last.saturating_add(1)));
    let range = format!("bytes {first}-{}/{size}", end - 1);
    reply(206, first..end).header("Content-Range", range)
}
