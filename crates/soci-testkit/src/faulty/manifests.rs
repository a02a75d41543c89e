//! Manifests, their tags, and what refers to them.

use serde_json::{Value, json};

use super::{
    Shared,
    blobs::unsupported,
    bucket::Bucket,
    reply::Reply,
    request::Request,
    setup::Habit,
    storage::{Manifest, Repository, named_by},
};
use crate::image;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Shared {
    pub(super) fn manifest(&self, request: &Request, name: &str, reference: &str) -> Reply {
        match request.method.as_str() {
            "PUT" => return self.put_manifest(request, name, reference),
            "GET" | "HEAD" | "DELETE" => {}
            _ => return unsupported(),
        }
        let mut storage = self.storage();
        let Some(repository) = storage.repositories.get_mut(name) else {
            return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
        };
        let Some(manifest) = repository.manifest(reference).cloned() else {
            return Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        };
        if request.method == "DELETE" {
            delete(repository, reference);
            return Reply::new(202);
        }
        self.sent_manifest(request, manifest)
    }

    fn sent_manifest(&self, request: &Request, manifest: Manifest) -> Reply {
        let all = 0..manifest.bytes.len();
        let mut reply = Reply::new(200)
            .part(manifest.bytes, all)
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
        if let Some(refused) = self.bucket.as_ref().and_then(Bucket::take) {
            let refused = match &self.setup.retry_after {
                Some(time) => refused.header("Retry-After", time),
                None => refused,
            };
            return refused;
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
        let digest = image::digest(&request.body);
        let tag = (!reference.contains(':')).then_some(reference);
        if tag.is_none() && reference != digest {
            return Reply::error(
                400,
                "DIGEST_INVALID",
                "provided digest did not match uploaded content",
            );
        }
        let mut storage = self.storage();
        let repository = storage.repository(name);
        if let Some(refused) = self.tag_refusal(request, repository, name, tag) {
            return refused;
        }
        if let Some(missing) = missing(repository, &manifest) {
            let message =
                format!("manifest references {missing}, which is unknown to the registry");
            return Reply::error(404, "MANIFEST_BLOB_UNKNOWN", &message);
        }
        repository.put_manifest(media_type, request.body.clone());
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
        let said = manifest.get("mediaType");
        let agrees = said.is_none_or(|said| said == media_type);
        let strict = !media_type.contains(';') && said.is_some();
        manifest.is_object() && agrees && (strict || !self.setup.has(Habit::StrictManifests))
    }

    /// Returns why a tag may not be set.
    fn tag_refusal(
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
        let holds = current.is_some_and(|current| expected.trim_matches('"') == current);
        (!holds).then(|| Reply::error(412, "PRECONDITION_FAILED", "the tag has moved"))
    }

    pub(super) fn referrers(&self, request: &Request, name: &str, digest: &str) -> Reply {
        if self.setup.has(Habit::NoReferrers) {
            return Reply::new(404).body("404 page not found\n");
        }
        if request.method != "GET" {
            return unsupported();
        }
        let storage = self.storage();
        let Some(repository) = storage.repositories.get(name) else {
            return Reply::error(404, "NAME_UNKNOWN", "repository name not known to registry");
        };
        let wanted = request.parameter("artifactType");
        let manifests = repository.manifests.values();
        let manifests: Vec<Value> = manifests
            .filter_map(|manifest| referrer(manifest, digest))
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

    pub(super) fn tags(&self, request: &Request, name: &str) -> Reply {
        if request.method != "GET" {
            return unsupported();
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

/// Takes a tag away, or a manifest with all its tags.
fn delete(repository: &mut Repository, reference: &str) {
    if repository.tags.remove(reference).is_none() {
        repository.manifests.remove(reference);
        repository.tags.retain(|_, digest| digest != reference);
    }
}

/// Returns the first descriptor of a manifest whose content is not there and should be.
fn missing<'a>(repository: &Repository, manifest: &'a Value) -> Option<&'a str> {
    let is_index = manifest["manifests"].is_array();
    named_by(manifest)
        .filter(|descriptor| !descriptor["urls"].is_array())
        .filter_map(|descriptor| descriptor["digest"].as_str())
        .find(|digest| {
            let there = repository.manifests.contains_key(*digest)
                || (!is_index && repository.blobs.contains_key(*digest));
            !there
        })
}

/// Returns the descriptor of a manifest, if its subject is the one that is asked for.
fn referrer(manifest: &Manifest, subject: &str) -> Option<Value> {
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
