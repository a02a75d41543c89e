//! What the threads of several images in work share: a bound on how many of them do something at a
//! time, and what each of them works on, so that no other does the same.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A bound on how many threads of all images do something at a time, such as to read a layer.
#[derive(Debug)]
pub struct Permits {
    state: Mutex<PermitState>,
    changed: Condvar,
}

#[derive(Debug)]
struct PermitState {
    free: usize,
    /// How many images have a share.
    shares: usize,
}

/// The share of one image in the permits. While other images have shares too, it leaves the last
/// permit to them, so that an image whose layers take long holds up no other one.
#[derive(Debug)]
pub struct Share<'a> {
    permits: &'a Permits,
    /// How many permits the threads of the image hold.
    held: Mutex<usize>,
}

/// A permit. Dropping it returns it.
#[derive(Debug)]
pub struct Permit<'a>(&'a Share<'a>);

impl Permits {
    /// Returns `count` permits.
    pub fn new(count: NonZeroUsize) -> Self {
        Self {
            state: Mutex::new(PermitState {
                free: count.get(),
                shares: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Returns the share of an image that is in work until the share is dropped.
    pub fn share(&self) -> Share<'_> {
        self.lock().shares += 1;
        Share {
            permits: self,
            held: Mutex::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PermitState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share<'_> {
    /// Waits for a permit.
    pub fn acquire(&self) -> Permit<'_> {
        let mut state = self.permits.lock();
        while !self.may_take(&state) {
            let waited = self.permits.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.free -= 1;
        *self.held() += 1;
        Permit(self)
    }

    fn may_take(&self, state: &PermitState) -> bool {
        match state.free {
            0 => false,
            1 => state.shares == 1 || *self.held() == 0,
            _ => true,
        }
    }

    /// Locks the number of permits that are held. A thread that locks both locks the state first.
    fn held(&self) -> MutexGuard<'_, usize> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.permits.lock().shares -= 1;
        self.permits.changed.notify_all();
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let permits = self.0.permits;
        let mut state = permits.lock();
        state.free += 1;
        *self.0.held() -= 1;
        drop(state);
        permits.changed.notify_all();
    }
}

/// The things that threads work on, each of which one thread works on at a time.
#[derive(Debug)]
pub struct InWork<K: Ord> {
    claimed: Mutex<BTreeSet<K>>,
    released: Condvar,
}

/// The things that one thread works on. Dropping it lets others work on them.
#[derive(Debug)]
pub struct InWorkGuard<'a, K: Ord> {
    in_work: &'a InWork<K>,
    keys: BTreeSet<K>,
}

impl<K: Ord> Default for InWork<K> {
    fn default() -> Self {
        Self {
            claimed: Mutex::default(),
            released: Condvar::new(),
        }
    }
}

impl<K: Clone + Ord> InWork<K> {
    /// Waits until no other thread works on any of `keys`, and keeps others from them. A thread
    /// that holds a guard must not call this for the same things, or two threads might wait for
    /// each other.
    pub fn claim(&self, keys: impl IntoIterator<Item = K>) -> InWorkGuard<'_, K> {
        let keys: BTreeSet<K> = keys.into_iter().collect();
        let is_taken = |claimed: &mut BTreeSet<K>| !claimed.is_disjoint(&keys);
        let waited = self.released.wait_while(self.lock(), is_taken);
        let mut claimed = waited.unwrap_or_else(PoisonError::into_inner);
        claimed.extend(keys.iter().cloned());
        drop(claimed);
        InWorkGuard {
            in_work: self,
            keys,
        }
    }
}

impl<K: Ord> InWork<K> {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<K>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Drop for InWorkGuard<'_, K> {
    fn drop(&mut self) {
        let mut claimed = self.in_work.lock();
        for key in &self.keys {
            claimed.remove(key);
        }
        drop(claimed);
        self.in_work.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

    #[test]
    fn no_more_threads_than_permits_hold_one() {
        let permits = Permits::new(TWO);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let share = permits.share();
                    let _permit = share.acquire();
                    let count = now.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(count, Ordering::SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.into_inner() <= 2);
    }

    /// An image that is alone takes all permits; beside others, it leaves them one.
    #[test]
    fn an_image_leaves_a_permit_to_others() {
        let permits = Permits::new(TWO);
        let slow = permits.share();
        drop((slow.acquire(), slow.acquire()));
        let other = permits.share();
        let _first = slow.acquire();
        assert!(!slow.may_take(&permits.lock()));
        drop(other.acquire());
        drop(other);
        drop(slow.acquire());
    }

    #[test]
    fn one_thread_at_a_time_works_on_a_key() {
        let in_work = InWork::default();
        let built = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for keys in [[1, 2], [2, 3], [3, 1], [1, 2]] {
                let (in_work, built) = (&in_work, &built);
                scope.spawn(move || {
                    let _guard = in_work.claim(keys);
                    let done: Vec<i32> = built.lock().expect("no panic").clone();
                    thread::yield_now();
                    let missing = keys.into_iter().filter(|key| !done.contains(key));
                    built.lock().expect("no panic").extend(missing);
                });
            }
        });
        let mut built = built.into_inner().expect("no panic");
        built.sort_unstable();
        assert_eq!(built, [1, 2, 3], "each is built once");
    }
}
