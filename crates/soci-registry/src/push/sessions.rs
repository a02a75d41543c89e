//! The upload sessions that are open, so that a program which must end can give them back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use url::Url;

use crate::client::{Client, Repository};
use crate::http::request::Request;

/// How long giving back may take.
const LIMIT: Duration = Duration::from_secs(1);

/// The sessions that are open, by a number of their own.
#[derive(Debug, Default)]
pub(crate) struct OpenUploads(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: BTreeMap<u64, (Repository, Url)>,
}

/// A session that is open until this is dropped.
pub(crate) struct OpenUpload<'a> {
    all: &'a OpenUploads,
    number: u64,
}

impl OpenUploads {
    /// Notes a session.
    pub(crate) fn enter(&self, repository: Repository, url: Url) -> OpenUpload<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.open.insert(number, (repository, url));
        OpenUpload { all: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenUpload<'_> {
    fn drop(&mut self) {
        self.all.state().open.remove(&self.number);
    }
}

impl Client {
    /// Gives the upload sessions that are open back to their registries, as far as that takes no more than a second. One
    /// that is not given back expires there by itself.
    pub async fn cancel_uploads(&self) {
        let open = std::mem::take(&mut self.open_uploads().state().open);
        let cancel = |(repository, url): (Repository, Url)| async move {
            let operation = repository.operation("cancel upload", repository.name());
            let request = Request::new(Method::DELETE, url);
            // Whatever comes of it, the program ends.
            drop(repository.send(&operation, &request).await);
        };
        let all = join_all(open.into_values().map(cancel));
        drop(tokio::time::timeout(LIMIT, all).await);
    }
}
