//! The upload sessions that are open, so that a program which is interrupted can cancel them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use url::Url;

use crate::auth::scope::Scope;
use crate::error::Operation;
use crate::http::request::Request;
use crate::http::transport::HttpTransport;
use crate::registry::Registry;

/// How long cancelling may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// The upload sessions of a client that are open.
#[derive(Debug, Default)]
pub(crate) struct OpenSessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    sessions: BTreeMap<u64, Session>,
}

/// An upload session on a registry.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) registry: Arc<Registry>,
    /// What cancelling the session is called in messages.
    pub(crate) operation: Operation,
    pub(crate) url: Url,
}

/// Keeps a session in [`OpenSessions`] until it is dropped.
pub(crate) struct SessionGuard<'a> {
    sessions: &'a OpenSessions,
    id: u64,
}

impl OpenSessions {
    /// Adds a session.
    pub(crate) fn add(&self, session: Session) -> SessionGuard<'_> {
        let mut state = self.lock_state();
        let id = state.next_id;
        state.next_id += 1;
        state.sessions.insert(id, session);
        SessionGuard { sessions: self, id }
    }

    /// Cancels all sessions (`DELETE`), within [`CANCEL_TIMEOUT`]. Errors are ignored, because the
    /// registry removes abandoned sessions after a while.
    pub(crate) async fn cancel_all(&self, transport: &HttpTransport) {
        let sessions = std::mem::take(&mut self.lock_state().sessions);
        let cancel = |session: Session| async move {
            let Session {
                registry,
                operation,
                url,
            } = session;
            let request = Request::new(Method::DELETE, url);
            let scope = Scope::push(&operation.repository);
            drop(registry.send(transport, &operation, &request, &scope).await);
        };
        let all = join_all(sessions.into_values().map(cancel));
        drop(tokio::time::timeout(CANCEL_TIMEOUT, all).await);
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        self.sessions.lock_state().sessions.remove(&self.id);
    }
}
