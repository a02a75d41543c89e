//! The blobs that this run knows the destinations to have, so that images which share a blob look
//! for it, or send it, once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use soci_cli::{InWork, InWorkGuard};
use soci_oci::Digest;

/// How many blobs are known at most. All are forgotten when there are more, and looked for again.
const MOST_KNOWN: usize = 20_000;

/// How a destination has a blob.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Held {
    /// It had the blob before this run.
    Found,
    /// This run has sent it.
    Sent,
}

/// A blob of a repository, a layout or an archive.
type Key = (String, Digest);

/// The blobs that this run has found or sent, and those that it looks for or sends now.
#[derive(Debug, Default)]
pub(crate) struct KnownBlobs {
    in_work: InWork<Key>,
    held: Mutex<BTreeMap<Key, Held>>,
}

/// One blob that the caller alone looks for or sends.
pub(super) struct Claimed<'a> {
    known: &'a KnownBlobs,
    key: Key,
    _in_work: InWorkGuard<'a, Key>,
}

impl KnownBlobs {
    /// Waits until no other image looks for this blob or sends it, and keeps others from it until
    /// the result is dropped.
    pub(super) fn claim(&self, repository: &str, blob: Digest) -> Claimed<'_> {
        let key = (repository.to_owned(), blob);
        Claimed {
            known: self,
            _in_work: self.in_work.claim([key.clone()]),
            key,
        }
    }
}

impl Claimed<'_> {
    /// Returns how the destination has the blob, if this run knows it.
    pub(super) fn get(&self) -> Option<Held> {
        let held = self.known.held.lock();
        let held = held.unwrap_or_else(PoisonError::into_inner);
        held.get(&self.key).copied()
    }

    /// Records how the destination has the blob.
    pub(super) fn set(self, state: Held) {
        let held = self.known.held.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST_KNOWN {
            held.clear();
        }
        held.insert(self.key, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_blob_of_each_repository_by_itself() {
        let known = KnownBlobs::default();
        let blob = Digest::of(b"blob");
        known.claim("app", blob).set(Held::Sent);
        assert_eq!(known.claim("app", blob).get(), Some(Held::Sent));
        assert_eq!(known.claim("other", blob).get(), None);
        assert_eq!(known.claim("app", Digest::of(b"other")).get(), None);
    }

    #[test]
    fn does_not_grow_without_bound() {
        let known = KnownBlobs::default();
        let blob = |number: usize| Digest::of(&number.to_be_bytes());
        for number in 0..=MOST_KNOWN {
            known.claim("app", blob(number)).set(Held::Found);
        }
        assert_eq!(known.claim("app", blob(0)).get(), None);
        assert_eq!(
            known.claim("app", blob(MOST_KNOWN)).get(),
            Some(Held::Found)
        );
    }
}
