//! Remembers whether a registry has the referrers API.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the responses of a registry have shown about its referrers API.
#[derive(Debug, Default)]
pub(crate) struct ApiSupport(AtomicU8);

const UNKNOWN: u8 = 0;
const SUPPORTED: u8 = 1;
const UNSUPPORTED: u8 = 2;

impl ApiSupport {
    /// Returns whether the API is worth a request.
    pub(crate) fn may_exist(&self) -> bool {
        self.0.load(Ordering::Relaxed) != UNSUPPORTED
    }

    /// Records that the API has answered for a repository.
    pub(crate) fn record_supported(&self) {
        self.0.store(SUPPORTED, Ordering::Relaxed);
    }

    /// Records that the API is missing for a repository. This changes nothing if it has answered
    /// for another one: some registries lack it only for some repositories, such as those of a
    /// pull-through cache.
    pub(crate) fn record_unsupported(&self) {
        let order = Ordering::Relaxed;
        // An error means that the value is not `UNKNOWN`. It then stays as it is.
        let _ = self.0.compare_exchange(UNKNOWN, UNSUPPORTED, order, order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
