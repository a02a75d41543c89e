//! Tasks in several threads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{panic, thread};

use crate::{Failure, log};

/// Runs `work` on each of `tasks` in up to `threads` threads, and returns the results by key. Tasks
/// start in the given order.
///
/// When a task fails, no new task starts, and the flag that is passed to `work` asks the running
/// ones to stop early.
///
/// # Errors
///
/// Returns the failure of the task that failed first.
pub fn run_parallel<K, T, R>(
    tasks: &[(K, T)],
    threads: NonZeroUsize,
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
    let image = log::current_image();
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
        // The calling thread is one of the workers. If the system refuses to start more threads,
        // those that have started do all the work.
        for _ in 1..threads.get().min(tasks.len()) {
            let image = image.clone();
            let work = || {
                log::set_current_image(image);
                worker();
            };
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
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

/// Runs two tasks at the same time, the second in the calling thread, and returns their results. If
/// the system refuses to start a thread, the first one runs after the second.
pub fn run_both<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    let image = log::current_image();
    let first = &first;
    thread::scope(|scope| {
        let work = move || {
            log::set_current_image(image);
            first()
        };
        let running = thread::Builder::new().spawn_scoped(scope, work);
        let second = second();
        let first = match running {
            Ok(running) => running
                .join()
                .unwrap_or_else(|payload| panic::resume_unwind(payload)),
            Err(_) => first(),
        };
        (first, second)
    })
}

/// Locks a mutex, even after a panic: the scope propagates the panic of a worker anyway.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::Exit;

    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

    #[test]
    fn runs_every_task_once() {
        let tasks: Vec<(usize, usize)> = (0..100).map(|task| (task, task)).collect();
        let results = run_parallel(&tasks, TWO, |task, _| Ok(task * 2)).expect("no failure");
        assert_eq!(results.len(), 100);
        assert!(results.iter().all(|(task, result)| *result == task * 2));
    }

    #[test]
    fn runs_two_tasks_at_the_same_time() {
        let meet = std::sync::Barrier::new(2);
        let (first, second) = run_both(
            || {
                meet.wait();
                1
            },
            || {
                meet.wait();
                "two"
            },
        );
        assert_eq!((first, second), (1, "two"));
    }

    #[test]
    fn stops_at_the_first_failure() {
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
        let failure = run_parallel(&tasks, NonZeroUsize::MIN, work).expect_err("a failure");
        assert_eq!(failure.exit, Exit::BadData);
        assert_eq!(done.into_inner(), 1);
    }
}
