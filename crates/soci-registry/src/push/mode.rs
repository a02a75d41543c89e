//! How the content of blobs is sent to a registry.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The largest blob, in bytes, that a registry is sent in a single `POST` before it has shown
/// whether it takes one. If it does not, it has received these bytes for nothing. The ztoc of a
/// layer of one span has 33 kB.
const LARGEST_TRIAL: u64 = 64 << 10;

/// The largest blob, in bytes, that is sent so even while another one is on its way, and that makes
/// no larger one wait for the answer.
const LARGEST_TRIFLE: u64 = 4 << 10;

/// The largest blob, in bytes, that a registry is sent in a single `POST` after it has taken one. A
/// larger one takes long enough that the request that opens a session does not matter.
const LARGEST_SINGLE_POST: u64 = 1 << 20;

/// The request that carries the content of a blob.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UploadMode {
    /// The `PUT` that closes the session (OCI distribution-spec, "POST then PUT").
    Put,
    /// A `PATCH` before that `PUT` (OCI distribution-spec, "Pushing a blob in chunks"), as one
    /// chunk.
    Patch,
}

/// Whether a registry takes a blob in the `POST` that opens an upload session (OCI
/// distribution-spec, "Single POST", which registries need not support).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum SinglePost {
    /// It has not been sent one, or only trifles.
    #[default]
    Unknown,
    /// It has been sent one, and has not answered yet.
    OnTrial,
    /// It has taken one.
    Taken,
    /// It has not taken one: it has opened a session instead, or has failed.
    NotTaken,
}

/// Whether a registry takes blobs in a single `POST`.
#[derive(Debug, Default)]
pub(crate) struct SinglePosts(Mutex<SinglePost>);

impl SinglePosts {
    /// Returns whether the caller is to send a blob of `size` bytes in a single `POST`. It then
    /// records the answer.
    pub(super) fn begin(&self, size: u64) -> bool {
        let mut state = self.lock();
        match *state {
            SinglePost::Unknown | SinglePost::OnTrial if size <= LARGEST_TRIFLE => true,
            SinglePost::Unknown if size <= LARGEST_TRIAL => {
                *state = SinglePost::OnTrial;
                true
            }
            SinglePost::Taken => size <= LARGEST_SINGLE_POST,
            SinglePost::Unknown | SinglePost::OnTrial | SinglePost::NotTaken => false,
        }
    }

    /// Records that the registry has taken one.
    pub(super) fn record_taken(&self) {
        *self.lock() = SinglePost::Taken;
    }

    /// Records that the registry has answered one in another way.
    pub(super) fn record_not_taken(&self) {
        *self.lock() = SinglePost::NotTaken;
    }

    /// Records that one has failed, which may have any cause if the registry has taken one before.
    pub(super) fn record_failed(&self) {
        let mut state = self.lock();
        if *state != SinglePost::Taken {
            *state = SinglePost::NotTaken;
        }
    }

    fn lock(&self) -> MutexGuard<'_, SinglePost> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mode in which a registry has accepted a blob. Before the first one, it is
/// [`UploadMode::Put`].
#[derive(Debug, Default)]
pub(crate) struct KnownMode {
    needs_patch: AtomicBool,
}

impl KnownMode {
    /// Returns the mode for the next blob.
    pub(crate) fn get(&self) -> UploadMode {
        if self.needs_patch.load(Ordering::Relaxed) {
            UploadMode::Patch
        } else {
            UploadMode::Put
        }
    }

    /// Records the mode in which a blob was accepted.
    pub(super) fn set(&self, mode: UploadMode) {
        if mode == UploadMode::Patch {
            self.needs_patch.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_blobs_are_sent_in_a_post_after_the_registry_has_taken_one() {
        let posts = SinglePosts::default();
        assert!(!posts.begin(LARGEST_TRIAL + 1));
        assert!(posts.begin(LARGEST_TRIAL));
        // Until the answer comes, only trifles follow.
        assert!(!posts.begin(LARGEST_TRIFLE + 1));
        assert!(posts.begin(LARGEST_TRIFLE));
        posts.record_taken();
        assert!(posts.begin(LARGEST_SINGLE_POST));
        assert!(!posts.begin(LARGEST_SINGLE_POST + 1));
        // The failure of one that followed says nothing about the next.
        posts.record_failed();
        assert!(posts.begin(1));
        posts.record_not_taken();
        assert!(!posts.begin(1));
    }

    /// A configuration of two bytes and a ztoc may be sent in either order.
    #[test]
    fn a_trifle_keeps_no_larger_blob_from_being_the_trial() {
        let posts = SinglePosts::default();
        assert!(posts.begin(2));
        assert!(posts.begin(LARGEST_TRIAL));
        assert!(!posts.begin(LARGEST_TRIAL));
    }

    #[test]
    fn a_registry_whose_first_answer_is_a_failure_is_sent_no_other() {
        let posts = SinglePosts::default();
        assert!(posts.begin(1));
        posts.record_failed();
        assert!(!posts.begin(1));
    }
}
