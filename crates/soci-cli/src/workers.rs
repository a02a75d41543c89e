//! The parts of an image, several at a time.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Failure;

/// Does `work` on each of `tasks`, at most `at_once` at a time, the first ones first, and returns the results by their keys.
///
/// The first failure ends the others early (they see it in the flag they are given) and is returned.
///
/// # Errors
///
/// Fails as the first task that failed.
pub fn in_parallel<K, T, R>(
    tasks: &[(K, T)],
    at_once: NonZeroUsize,
    work: impl Fn(&T, &AtomicBool) -> Result<R, Failure> + Sync,
) -> Result<BTreeMap<K, R>, Failure>
where
    K: Clone + Ord + Send + Sync,
    T: Sync,
    R: Send,
{
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let results = Mutex::new(BTreeMap::new());
    let failure = Mutex::new(None);
    let worker = || {
        while !stop.load(Ordering::Relaxed)
            && let Some((key, task)) = tasks.get(next.fetch_add(1, Ordering::Relaxed))
        {
            match work(task, &stop) {
                Ok(result) => drop(lock(&results).insert(key.clone(), result)),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    lock(&failure).get_or_insert(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        // This thread is one of them. Where the system gives no more, those that there are do the work.
        for _ in 1..at_once.get().min(tasks.len()) {
            if thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => Err(failure),
        None => Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// Takes a lock. A worker that panicked ends the process anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::Exit;

    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

    #[test]
    fn does_every_task_once() {
        let tasks: Vec<(usize, usize)> = (0..100).map(|task| (task, task)).collect();
        let results = in_parallel(&tasks, TWO, |task, _| Ok(task * 2)).expect("no failure");
        assert_eq!(results.len(), 100);
        assert!(results.iter().all(|(task, result)| *result == task * 2));
    }

    #[test]
    fn ends_with_the_first_failure() {
        let tasks: Vec<(usize, usize)> = (0..100).map(|task| (task, task)).collect();
        let done = AtomicUsize::new(0);
        let work = |task: &usize, _: &AtomicBool| {
            done.fetch_add(1, Ordering::Relaxed);
            if *task == 0 {
                Err(Failure::message(Exit::BadData, "bad"))
            } else {
                Ok(())
            }
        };
        let failure = in_parallel(&tasks, NonZeroUsize::MIN, work).expect_err("a failure");
        assert_eq!(failure.exit, Exit::BadData);
        assert_eq!(done.into_inner(), 1);
    }
}
