//! The turn to write a manifest to a registry that throttles manifests.
//!
//! Manifests that are sent at the same time would each take a request to learn that the registry
//! throttles. So after a throttled manifest, some are sent one at a time.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use tokio::sync::{Mutex, MutexGuard};

use super::request::{Body, Request};

/// How many manifests are sent one at a time after one that was throttled. A registry that still
/// throttles shows it within as many: quotas count the manifests of a second.
const SINGLE: u32 = 64;

/// The turn of the manifests of one registry.
#[derive(Debug, Default)]
pub(crate) struct ManifestTurn {
    turn: Mutex<()>,
    /// How many manifests are still sent one at a time.
    single: AtomicU32,
}

impl ManifestTurn {
    /// Waits for the turn, if manifests are sent one at a time. Requests other than those that
    /// write a manifest have no turns.
    pub(super) async fn before_first_try(&self, request: &Request) -> Option<MutexGuard<'_, ()>> {
        if !is_manifest_put(request) || self.single.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let turn = self.turn.lock().await;
        let one_fewer = |left: u32| left.checked_sub(1);
        let order = Ordering::Relaxed;
        // While this one waited, enough others may have been sent.
        let is_single = self.single.fetch_update(order, order, one_fewer).is_ok();
        is_single.then_some(turn)
    }

    /// Waits for the turn of a request that was throttled, unless it has the turn already.
    pub(super) async fn after_throttling<'a>(
        &'a self,
        request: &Request,
        turn: Option<MutexGuard<'a, ()>>,
    ) -> Option<MutexGuard<'a, ()>> {
        if !is_manifest_put(request) {
            return None;
        }
        self.single.store(SINGLE, Ordering::Relaxed);
        match turn {
            Some(turn) => Some(turn),
            None => Some(self.turn.lock().await),
        }
    }
}

/// Returns whether a request writes a manifest.
fn is_manifest_put(request: &Request) -> bool {
    request.method == Method::PUT && matches!(request.body, Body::Bytes(_))
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn manifest() -> Request {
        let url = "http://r.example/v2/app/manifests/v1".parse();
        Request::new(Method::PUT, url.expect("a URL")).body(Body::Bytes("{}".into()))
    }

    /// Polls a future once. Returns `None` if it waits.
    fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn manifests_are_sent_at_the_same_time_until_one_is_throttled() {
        let turns = ManifestTurn::default();
        let manifest = manifest();
        let first = poll(turns.before_first_try(&manifest)).expect("no wait");
        assert!(first.is_none());
        assert!(matches!(
            poll(turns.before_first_try(&manifest)),
            Some(None)
        ));
        let throttled = poll(turns.after_throttling(&manifest, first)).expect("no wait");
        assert!(throttled.is_some());
        assert!(poll(turns.before_first_try(&manifest)).is_none(), "a wait");
    }

    #[test]
    fn they_are_sent_at_the_same_time_again_if_none_is_throttled() {
        let turns = ManifestTurn::default();
        let manifest = manifest();
        drop(poll(turns.after_throttling(&manifest, None)));
        for _ in 0..SINGLE {
            let turn = poll(turns.before_first_try(&manifest)).expect("no wait");
            assert!(turn.is_some());
        }
        assert!(matches!(
            poll(turns.before_first_try(&manifest)),
            Some(None)
        ));
    }

    #[test]
    fn other_requests_have_no_turns() {
        let turns = ManifestTurn::default();
        let throttled = poll(turns.after_throttling(&manifest(), None)).flatten();
        assert!(throttled.is_some());
        let other = Request::new(Method::HEAD, manifest().url);
        assert!(matches!(poll(turns.before_first_try(&other)), Some(None)));
        let other = poll(turns.after_throttling(&other, None));
        assert!(matches!(other, Some(None)));
    }
}
