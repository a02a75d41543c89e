//! Remembers whether a registry has the referrers API.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::{Mutex, MutexGuard};

/// What the responses of a registry have shown about its referrers API.
#[derive(Debug, Default)]
pub(crate) struct ApiSupport {
    state: AtomicU8,
    /// Held by the task that finds out.
    trial: Mutex<()>,
}

const UNKNOWN: u8 = 0;
const SUPPORTED: u8 = 1;
const UNSUPPORTED: u8 = 2;

impl ApiSupport {
    /// Waits until no other task finds out whether the API exists. If that is still unknown, others
    /// wait until the result is dropped, so that a registry without the API is asked once.
    pub(crate) async fn begin_trial(&self) -> Option<MutexGuard<'_, ()>> {
        if self.is_known() {
            return None;
        }
        let trial = self.trial.lock().await;
        (!self.is_known()).then_some(trial)
    }

    fn is_known(&self) -> bool {
        self.state.load(Ordering::Relaxed) != UNKNOWN
    }

    /// Returns whether the API is worth a request.
    pub(crate) fn may_exist(&self) -> bool {
        self.state.load(Ordering::Relaxed) != UNSUPPORTED
    }

    /// Records that the API has answered for a repository.
    pub(crate) fn record_supported(&self) {
        self.state.store(SUPPORTED, Ordering::Relaxed);
    }

    /// Records that the API is missing for a repository. This changes nothing if it has answered
    /// for another one: some registries lack it only for some repositories, such as those of a
    /// pull-through cache.
    pub(crate) fn record_unsupported(&self) {
        let order = Ordering::Relaxed;
        // An error means that the value is not `UNKNOWN`. It then stays as it is.
        let _ = self
            .state
            .compare_exchange(UNKNOWN, UNSUPPORTED, order, order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_task_at_a_time_finds_out() {
        let support = ApiSupport::default();
        let trial = support.begin_trial().await;
        assert!(trial.is_some());
        let (waited, ()) = tokio::join!(support.begin_trial(), async {
            support.record_unsupported();
            drop(trial);
        });
        assert!(waited.is_none());
        assert!(support.begin_trial().await.is_none());
    }

    #[test]
    fn a_repository_without_the_api_does_not_hide_another_that_has_it() {
        let support = ApiSupport::default();
        assert!(support.may_exist());
        support.record_supported();
        support.record_unsupported();
        assert!(support.may_exist());
        let support = ApiSupport::default();
        support.record_unsupported();
        assert!(!support.may_exist());
    }
}
