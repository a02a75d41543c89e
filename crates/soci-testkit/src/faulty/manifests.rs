//! Manifests, tags and referrers.

use serde_json::{Value, json};

use super::{
    rate_limit::RateLimit,
    reply::Reply,
    request::Request,
    setup::Habit,
    state::State,
    storage::{Manifest, Repository, descriptors},
};
use crate::image;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl State {
    pub(super) fn answer_manifest(&self, request: &Request, name: &str, reference: &str) -> Reply {
        match request.method.as_str() {
            "PUT" => return self.put_manifest(request, name, reference),
            "GET" | "HEAD" | "DELETE" => {}
            _ => return Reply::unsupported(),
        }
        let mut storage = self.storage();
        let Some(repository) = storage.repositories.get_mut(name) else {
            return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
        };
        let Some(manifest) = repository.manifest(reference).cloned() else {
            return Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        };
        if request.method == "DELETE" {
            delete_manifest(repository, reference);
            return Reply::new(202);
        }
        self.send_manifest(request, manifest)
    }

    fn send_manifest(&self, request: &Request, manifest: Manifest) -> Reply {
        let all = 0..manifest.bytes.len();
        let mut reply = Reply::new(200)
            .shared_body(manifest.bytes, all)
            .header("Content-Type", manifest.media_type);
        if self.setup.has(Habit::ConditionalPuts) {
            reply = reply.header("ETag", format!("\"{}\"", manifest.digest));
        }
        if request.method == "GET" && self.setup.has(Habit::NoDigestOfManifests) {
            return reply;
        }
        reply.header("Docker-Content-Digest", manifest.digest)
    }

    fn put_manifest(&self, request: &Request, name: &str, reference: &str) -> Reply {
        let limit = self.manifest_limit.as_ref();
        if let Some(rejection) = limit.and_then(RateLimit::check_request) {
            return match &self.setup.retry_after {
                Some(seconds) => rejection.header("Retry-After", seconds),
                None => rejection,
            };
        }
        let media_type = request.header("content-type").unwrap_or_default();
        let manifest = match serde_json::from_slice::<Value>(&request.body) {
            Ok(manifest) if self.is_well_formed(&manifest, media_type) => manifest,
            _ if self.setup.has(Habit::StrictManifests) => {
                let message = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'";
                return Reply::error(405, "UNSUPPORTED", message);
            }
            _ => return Reply::error(400, "MANIFEST_INVALID", "manifest invalid"),
        };
        let tag = (!reference.contains(':')).then_some(reference);
        let digest = match tag {
            Some(_) => image::digest(&request.body),
            None => reference.to_owned(),
        };
        if !image::has_digest(&request.body, &digest) {
            return Reply::error(
                400,
                "DIGEST_INVALID",
                "provided digest did not match uploaded content",
            );
        }
        let mut storage = self.storage();
        let repository = storage.repository(name);
        if let Some(rejection) = self.reject_tag(request, repository, name, tag) {
            return rejection;
        }
        if let Some(missing) = find_missing(repository, &manifest) {
            let message =
                format!("manifest references {missing}, which is unknown to the registry");
            return Reply::error(404, "MANIFEST_BLOB_UNKNOWN", &message);
        }
        repository.put_manifest_as(&digest, media_type, request.body.clone());
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), digest.clone());
        }
        let mut reply = Reply::new(201).header("Docker-Content-Digest", &digest);
        if !self.setup.has(Habit::NoLocationOfManifests) {
            reply = reply.header("Location", format!("/v2/{name}/manifests/{digest}"));
        }
        match manifest["subject"]["digest"].as_str() {
            Some(subject) if !self.setup.has(Habit::NoReferrers) => {
                reply.header("OCI-Subject", subject)
            }
            _ => reply,
        }
    }

    fn is_well_formed(&self, manifest: &Value, media_type: &str) -> bool {
        let field = manifest.get("mediaType");
        let is_consistent = field.is_none_or(|field| field == media_type);
        let is_strict = !media_type.contains(';') && field.is_some();
        manifest.is_object()
            && is_consistent
            && (is_strict || !self.setup.has(Habit::StrictManifests))
    }

    /// Returns the rejection of a tag that must not be set.
    fn reject_tag(
        &self,
        request: &Request,
        repository: &Repository,
        name: &str,
        tag: Option<&str>,
    ) -> Option<Reply> {
        let tag = tag?;
        let current = repository.tags.get(tag);
        if self.setup.has(Habit::ImmutableTags) && current.is_some() {
            let message = format!(
                "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because \
                 the repository is immutable. (ImageTagAlreadyExistsException)"
            );
            return Some(Reply::error(400, "TAG_INVALID", &message));
        }
        let expected = request
            .header("if-match")
            .filter(|_| self.setup.has(Habit::ConditionalPuts))?;
        let matches = current.is_some_and(|current| expected.trim_matches('"') == current);
        (!matches).then(|| Reply::error(412, "PRECONDITION_FAILED", "the tag has moved"))
    }

    pub(super) fn list_referrers(&self, request: &Request, name: &str, digest: &str) -> Reply {
        if self.setup.has(Habit::NoReferrers) {
            return Reply::new(404).body("404 page not found\n");
        }
        if request.method != "GET" {
            return Reply::unsupported();
        }
        let storage = self.storage();
        let Some(repository) = storage.repositories.get(name) else {
            return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
        };
        let wanted = request.parameter("artifactType");
        let manifests = repository.manifests.values();
        let manifests: Vec<Value> = manifests
            .filter_map(|manifest| describe_referrer(manifest, digest))
            .filter(|found| {
                wanted
                    .as_ref()
                    .is_none_or(|wanted| found["artifactType"] == *wanted)
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let reply = Reply::new(200).json(&index).header("Content-Type", INDEX);
        match wanted {
            Some(_) => reply.header("OCI-Filters-Applied", "artifactType"),
            None => reply,
        }
    }

    pub(super) fn list_tags(&self, request: &Request, name: &str) -> Reply {
        if request.method != "GET" {
            return Reply::unsupported();
        }
        match self.storage().repositories.get(name) {
            Some(repository) => {
                let tags: Vec<&String> = repository.tags.keys().collect();
                Reply::new(200).json(&json!({"name": name, "tags": tags}))
            }
            None => Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry"),
        }
    }
}

/// Removes a tag, or a manifest with all its tags.
fn delete_manifest(repository: &mut Repository, reference: &str) {
    if repository.tags.remove(reference).is_none() {
        repository.manifests.remove(reference);
        repository.tags.retain(|_, digest| digest != reference);
    }
}

/// Returns the first digest in a manifest whose content the repository should have and does not
/// have.
fn find_missing<'a>(repository: &Repository, manifest: &'a Value) -> Option<&'a str> {
    let is_index = manifest["manifests"].is_array();
    descriptors(manifest)
        .filter(|descriptor| !descriptor["urls"].is_array())
        .filter_map(|descriptor| descriptor["digest"].as_str())
        .find(|digest| {
            let exists = repository.manifests.contains_key(*digest)
                || (!is_index && repository.blobs.contains_key(*digest));
            !exists
        })
}

/// Returns the descriptor of a manifest if `subject` is its subject.
fn describe_referrer(manifest: &Manifest, subject: &str) -> Option<Value> {
    let parsed: Value = serde_json::from_slice(&manifest.bytes).ok()?;
    (parsed["subject"]["digest"] == subject).then_some(())?;
    let artifact_type = parsed.get("artifactType");
    let artifact_type = artifact_type.unwrap_or(&parsed["config"]["mediaType"]);
    let mut descriptor = json!({"mediaType": manifest.media_type, "digest": manifest.digest,
        "size": manifest.bytes.len(), "artifactType": artifact_type});
    if let Some(annotations) = parsed.get("annotations") {
        descriptor["annotations"] = annotations.clone();
    }
    Some(descriptor)
}
