//! Uploads of blobs, in sessions or in a single request, and mounts.

use std::sync::Arc;

use super::{
    reply::Reply,
    request::Request,
    setup::Habit,
    state::State,
    storage::{Storage, Upload},
};
use crate::image;

impl State {
    /// Answers a `POST`: opens a session, stores the blob of a single-request upload, or mounts a
    /// blob.
    pub(super) fn begin_upload(&self, request: &Request, name: &str) -> Reply {
        if request.method != "POST" {
            return Reply::unsupported();
        }
        let mut storage = self.storage();
        if self.setup.has(Habit::KnownRepositories) && !storage.repositories.contains_key(name) {
            let message =
                format!("The repository with name '{name}' does not exist in the registry");
            return Reply::error(404, "NAME_UNKNOWN", &message);
        }
        let digest = request.parameter("digest");
        if let Some(digest) = digest.filter(|_| self.setup.has(Habit::SinglePosts)) {
            return store_blob(&mut storage, name, &digest, request.body.clone());
        }
        let mounted = request.parameter("mount").zip(request.parameter("from"));
        if let Some((digest, from)) = mounted.filter(|_| !self.setup.has(Habit::NoMounts)) {
            let source = storage.repositories.get(&from);
            if let Some(bytes) = source.and_then(|source| source.blobs.get(&digest).cloned()) {
                storage.repository(name).blobs.insert(digest.clone(), bytes);
                return blob_created(name, &digest);
            }
        }
        let id = storage.begin_upload(name);
        session_status(202, name, &id, 0)
    }

    /// Answers a request of a session: adds bytes, completes or cancels it, or returns its
    /// progress.
    pub(super) fn continue_upload(&self, request: &Request, name: &str, id: &str) -> Reply {
        let mut storage = self.storage();
        // Clients must keep the query of the session's URL.
        let has_state = request.parameter("_state").as_deref() == Some(id);
        let Some(upload) = storage
            .uploads
            .get_mut(id)
            .filter(|upload| has_state && upload.repository == name)
        else {
            return Reply::error(
                404,
                "BLOB_UPLOAD_UNKNOWN",
                "blob upload unknown to registry",
            );
        };
        match request.method.as_str() {
            "GET" => session_status(204, name, id, upload.bytes.len()),
            "DELETE" => {
                storage.uploads.remove(id);
                Reply::new(204)
            }
            "PATCH" => match self.append(upload, request) {
                Some(rejection) => rejection.header("Location", session_location(name, id)),
                None if self.setup.has(Habit::CreatedOnPatch) => {
                    session_status(201, name, id, upload.bytes.len())
                }
                None => session_status(202, name, id, upload.bytes.len()),
            },
            "PUT" => {
                let Some(digest) = request.parameter("digest") else {
                    return Reply::error(400, "DIGEST_INVALID", "no digest is given");
                };
                if !self.setup.has(Habit::OnlyPatchedBytes)
                    && let Some(rejection) = self.append(upload, request)
                {
                    return rejection;
                }
                let bytes = storage.uploads.remove(id).expect("the upload").bytes;
                store_blob(&mut storage, name, &digest, bytes)
            }
            _ => Reply::unsupported(),
        }
    }

    /// Keeps the bytes of a request that were received before its connection broke.
    pub(super) fn break_upload(&self, request: &Request, id: &str) {
        if let Some(upload) = self.storage().uploads.get_mut(id) {
            upload.bytes.extend(&request.body);
            upload.broken = true;
        }
    }

    /// Adds the bytes of a request to an upload. Returns a rejection if they do not follow those
    /// that are there.
    fn append(&self, upload: &mut Upload, request: &Request) -> Option<Reply> {
        let at = upload.bytes.len();
        let range = request.header("content-range");
        let range = range.and_then(|range| range.trim_start_matches("bytes ").split_once('-'));
        let requested = range.map(|(first, _)| first.parse().unwrap_or(usize::MAX));
        let broken = upload.broken && self.setup.has(Habit::SingleUseSessions);
        let first = requested.unwrap_or(if broken { 0 } else { at });
        if first != at {
            let message = format!("First byte of the layer part is {first} instead of {at}");
            let rejection = Reply::error(416, "BLOB_UPLOAD_INVALID", &message);
            return Some(rejection.header("Range", format_range(at)));
        }
        upload.bytes.extend(&request.body);
        None
    }
}

/// Returns the URL of a session.
fn session_location(name: &str, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}?_state={id}")
}

/// Returns the value of a session's `Range`: the first and the last byte that were received.
fn format_range(length: usize) -> String {
    format!("0-{}", length.saturating_sub(1))
}

/// Returns the response with a session's URL and progress.
fn session_status(status: u16, name: &str, id: &str, length: usize) -> Reply {
    Reply::new(status)
        .header("Location", session_location(name, id))
        .header("Docker-Upload-UUID", id)
        .header("Range", format_range(length))
}

fn blob_created(name: &str, digest: &str) -> Reply {
    Reply::new(201)
        .header("Location", format!("/v2/{name}/blobs/{digest}"))
        .header("Docker-Content-Digest", digest)
}

fn store_blob(storage: &mut Storage, name: &str, digest: &str, bytes: Vec<u8>) -> Reply {
    if !image::has_digest(&bytes, digest) {
        let message = "provided digest did not match uploaded content";
        return Reply::error(400, "DIGEST_INVALID", message);
    }
    let blobs = &mut storage.repository(name).blobs;
    blobs.insert(digest.to_owned(), Arc::new(bytes));
    blob_created(name, digest)
}
