//! Chooses the answer to a request by its path.

use super::{endpoint::Endpoint, reply::Reply, request::Request, state::State};

impl State {
    /// Answers a request as the specification demands, with the deviations of the setup.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let endpoint = Endpoint::parse(&request.path);
        if let Some(denial) = self.check_authorization(request, endpoint) {
            return denial;
        }
        match endpoint {
            Endpoint::Base => Reply::new(200)
                .header("Docker-Distribution-API-Version", "registry/2.0")
                .body("{}"),
            Endpoint::Token => self.issue_token(request),
            Endpoint::Presigned(digest) => self.answer_presigned(request, digest),
            Endpoint::Manifest(name, reference) => self.answer_manifest(request, name, reference),
            Endpoint::Blob(name, digest) => self.answer_blob(request, name, digest),
            Endpoint::Uploads(name) => self.begin_upload(request, name),
            Endpoint::Upload(name, id) => self.continue_upload(request, name, id),
            Endpoint::Referrers(name, digest) => self.list_referrers(request, name, digest),
            Endpoint::Tags(name) => self.list_tags(request, name),
            Endpoint::Unknown => Reply::new(404).body("404 page not found\n"),
        }
    }
}
