//! Upload sessions.

use std::sync::Arc;

use super::{
    Shared,
    blobs::unsupported,
    reply::Reply,
    request::Request,
    setup::Habit,
    storage::{Storage, Upload},
};
use crate::image;

impl Shared {
    /// Begins an upload, or does all of it, or mounts a blob.
    pub(super) fn begin_upload(&self, request: &Request, name: &str) -> Reply {
        if request.method != "POST" {
            return unsupported();
        }
        let mut storage = self.storage();
        if self.setup.has(Habit::KnownRepositories) && !storage.repositories.contains_key(name) {
            let message =
                format!("The repository with name '{name}' does not exist in the registry");
            return Reply::error(404, "NAME_UNKNOWN", &message);
        }
        if let Some(digest) = request.parameter("digest") {
            return store(&mut storage, name, &digest, request.body.clone());
        }
        let mounted = request.parameter("mount").zip(request.parameter("from"));
        if let Some((digest, from)) = mounted.filter(|_| !self.setup.has(Habit::NoMounts)) {
            let source = storage.repositories.get(&from);
            if let Some(bytes) = source.and_then(|source| source.blobs.get(&digest).cloned()) {
                storage.repository(name).blobs.insert(digest.clone(), bytes);
                return created(name, &digest);
            }
        }
        let id = storage.begin(name);
        session(202, name, &id, 0)
    }

    /// Goes on with an upload, ends it, or tells how far it is.
    pub(super) fn upload(&self, request: &Request, name: &str, id: &str) -> Reply {
        let mut storage = self.storage();
        // The session's URL is whole only with its query.
        let whole = request.parameter("_state").as_deref() == Some(id);
        let Some(upload) = storage
            .uploads
            .get_mut(id)
            .filter(|upload| whole && upload.repository == name)
        else {
            return Reply::error(
                404,
                "BLOB_UPLOAD_UNKNOWN",
                "blob upload unknown to registry",
            );
        };
        match request.method.as_str() {
            "GET" => session(204, name, id, upload.bytes.len()),
            "DELETE" => {
                storage.uploads.remove(id);
                Reply::new(204)
            }
            "PATCH" => match self.append(upload, request) {
                Some(refused) => refused.header("Location", location(name, id)),
                None if self.setup.has(Habit::CreatedOnPatch) => {
                    session(201, name, id, upload.bytes.len())
                }
                None => session(202, name, id, upload.bytes.len()),
            },
            "PUT" => {
                let Some(digest) = request.parameter("digest") else {
                    return Reply::error(400, "DIGEST_INVALID", "no digest is given");
                };
                if let Some(refused) = self.append(upload, request) {
                    return refused;
                }
                let bytes = storage.uploads.remove(id).expect("the upload").bytes;
                store(&mut storage, name, &digest, bytes)
            }
            _ => unsupported(),
        }
    }

    /// Keeps what came of a request before its connection broke.
    pub(super) fn break_upload(&self, request: &Request, id: &str) {
        if let Some(upload) = self.storage().uploads.get_mut(id) {
            upload.bytes.extend(&request.body);
            upload.broken = true;
        }
    }

    /// Adds the bytes of a request to an upload, or returns why not.
    fn append(&self, upload: &mut Upload, request: &Request) -> Option<Reply> {
        let at = upload.bytes.len();
        let range = request.header("content-range");
        let range = range.and_then(|range| range.trim_start_matches("bytes ").split_once('-'));
        let said = range.map(|(first, _)| first.parse().unwrap_or(usize::MAX));
        let broken = upload.broken && self.setup.has(Habit::SingleUseSessions);
        let first = said.unwrap_or(if broken { 0 } else { at });
        if first != at {
            let message = format!("First byte of the layer part is {first} instead of {at}");
            let refused = Reply::error(416, "BLOB_UPLOAD_INVALID", &message);
            return Some(refused.header("Range", self::range(at)));
        }
        upload.bytes.extend(&request.body);
        None
    }
}

fn location(name: &str, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}?_state={id}")
}

fn range(length: usize) -> String {
    format!("0-{}", length.saturating_sub(1))
}

fn session(status: u16, name: &str, id: &str, length: usize) -> Reply {
    Reply::new(status)
        .header("Location", location(name, id))
        .header("Docker-Upload-UUID", id)
        .header("Range", range(length))
}

fn created(name: &str, digest: &str) -> Reply {
    Reply::new(201)
        .header("Location", format!("/v2/{name}/blobs/{digest}"))
        .header("Docker-Content-Digest", digest)
}

fn store(storage: &mut Storage, name: &str, digest: &str, bytes: Vec<u8>) -> Reply {
    if image::digest(&bytes) != digest {
        let message = "provided digest did not match uploaded content";
        return Reply::error(400, "DIGEST_INVALID", message);
    }
    let blobs = &mut storage.repository(name).blobs;
    blobs.insert(digest.to_owned(), Arc::new(bytes));
    created(name, digest)
}
