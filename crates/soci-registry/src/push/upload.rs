//! Upload sessions: how they are opened, and how the content of a blob is sent to one.

use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, StatusCode};
use soci_oci::{Descriptor, media_type};
use url::Url;

use super::mode::UploadMode;
use super::sessions::{Session, SessionGuard};
use super::stored_digest::check_stored_digest;
use crate::error::{Operation, RegistryError, Violation};
use crate::http::redirect;
use crate::http::request::{Body, Content, Request};
use crate::http::response::{Outcome, Response};
use crate::repository::Repository;

/// How the upload of a blob begins.
pub(super) enum Start {
    /// With a new session.
    NewSession,
    /// With a session that the registry has opened at this URL.
    Session(Url),
    /// With a single `POST`, if the registry may take one, else with a new session. The content is
    /// in memory.
    InMemory,
}

/// One blob to upload.
pub(super) struct Upload<'a> {
    pub(super) repository: &'a Repository,
    pub(super) operation: &'a Operation,
    pub(super) descriptor: &'a Descriptor,
    pub(super) content: &'a Content,
}

impl Upload<'_> {
    /// Uploads the blob in one attempt.
    pub(super) async fn attempt(
        &self,
        start: Start,
        mode: UploadMode,
    ) -> Result<(), RegistryError> {
        let single_posts = &self.repository.registry().single_posts;
        let session = match start {
            Start::Session(url) => Some(url),
            Start::InMemory if single_posts.begin(self.descriptor.size) => {
                let posted = self.post().await;
                if posted.is_err() {
                    single_posts.record_failed();
                }
                posted?
            }
            Start::InMemory | Start::NewSession => {
                Some(self.repository.open_session(self.operation).await?)
            }
        };
        match session {
            Some(url) => self.send(url, mode).await,
            None => Ok(()),
        }
    }

    /// Sends the content in the `POST` that opens a session. Returns the URL of a session if the
    /// registry wants the content there, and `None` if it has stored the blob.
    async fn post(&self) -> Result<Option<Url>, RegistryError> {
        let repository = self.repository;
        let single_posts = &repository.registry().single_posts;
        let digest = self.descriptor.digest;
        let mut url = repository.url("blobs/uploads/");
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let request = content_request(Method::POST, url, self.body());
        match repository.send(self.operation, &request).await? {
            Outcome::Success(response) if response.status() == StatusCode::CREATED => {
                check_stored_digest(self.operation, response.headers(), digest)?;
                single_posts.record_taken();
                Ok(None)
            }
            Outcome::Success(response) => {
                single_posts.record_not_taken();
                repository.session_url(self.operation, &response).map(Some)
            }
            Outcome::CrossOriginRedirect | Outcome::Rejected(_) => {
                single_posts.record_not_taken();
                repository.open_session(self.operation).await.map(Some)
            }
        }
    }

    /// Sends the content to an open session, and closes the session.
    async fn send(&self, session: Url, mode: UploadMode) -> Result<(), RegistryError> {
        let _open = self.track(&session);
        match mode {
            UploadMode::Put => self.close(session, self.body()).await,
            UploadMode::Patch => {
                let session = self.patch(session).await?;
                let _open = self.track(&session);
                self.close(session, Body::Empty).await
            }
        }
    }

    /// Sends the content in a `PATCH`, and returns the URL for the next request of the session.
    async fn patch(&self, session: Url) -> Result<Url, RegistryError> {
        let request = content_request(Method::PATCH, session.clone(), self.body());
        let response = self.send_to_session(&request).await?;
        if response.headers().contains_key(LOCATION) {
            self.repository.session_url(self.operation, &response)
        } else {
            Ok(session)
        }
    }

    /// Closes a session with a `PUT` that names the digest.
    async fn close(&self, mut session: Url, body: Body) -> Result<(), RegistryError> {
        let digest = self.descriptor.digest;
        session
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let request = content_request(Method::PUT, session, body);
        let response = self.send_to_session(&request).await?;
        check_stored_digest(self.operation, response.headers(), digest)
    }

    async fn send_to_session(&self, request: &Request) -> Result<Response, RegistryError> {
        let outcome = self.repository.send(self.operation, request).await?;
        self.repository
            .expect_success(self.operation, request, outcome)
    }

    fn body(&self) -> Body {
        Body::Upload {
            content: Arc::clone(self.content),
            size: self.descriptor.size,
        }
    }

    /// Lets the session be cancelled as long as the guard lives.
    fn track(&self, session: &Url) -> SessionGuard<'_> {
        let repository = self.repository;
        repository.open_sessions().add(Session {
            registry: Arc::clone(repository.registry()),
            operation: repository.operation("cancel upload", repository.name()),
            url: session.clone(),
        })
    }
}

/// Returns a request to a session, with or without content.
fn content_request(method: Method, session: Url, body: Body) -> Request {
    Request::new(method, session)
        .following_redirects()
        .header(CONTENT_TYPE, media_type::OCTET_STREAM)
        .body(body)
}

impl Repository {
    /// Opens an upload session and returns its URL.
    pub(super) async fn open_session(&self, operation: &Operation) -> Result<Url, RegistryError> {
        let url = self.url("blobs/uploads/");
        let request = Request::new(Method::POST, url).following_redirects();
        let outcome = self.send(operation, &request).await?;
        let response = self.expect_success(operation, &request, outcome)?;
        self.session_url(operation, &response)
    }

    /// Returns the session's URL from the `Location` header of a response, once it has been
    /// checked.
    pub(super) fn session_url(
        &self,
        operation: &Operation,
        response: &Response,
    ) -> Result<Url, RegistryError> {
        redirect::resolve_location(
            "upload location",
            response,
            self.registry().clients.policy(),
        )
        .map_err(|violation| operation.protocol(violation))
    }

    fn expect_success(
        &self,
        operation: &Operation,
        request: &Request,
        outcome: Outcome,
    ) -> Result<Response, RegistryError> {
        match outcome {
            Outcome::Success(response) => Ok(response),
            Outcome::CrossOriginRedirect => Err(operation.protocol(Violation::Redirected)),
            Outcome::Rejected(rejection) => {
                Err(self.rejection_error(operation, request, rejection.refusal))
            }
        }
    }
}
