//! The priority of the threads that scan layers.

use std::thread::{self, Scope, ScopedJoinHandle};

/// The niceness of background threads. Where two threads want the whole of a processor, one of
/// niceness 5 gets about a quarter of the time.
#[cfg(target_os = "linux")]
const BACKGROUND_NICENESS: i32 = 5;

/// Whether the run waits for a layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Priority {
    /// The largest layer. The run takes at least as long as it does, so it gets a processor first.
    Critical,
    /// Any other layer: it has time while the largest one is being read.
    Background,
}

impl Priority {
    /// Spawns a thread with this priority.
    pub(crate) fn spawn<'scope, T: Send + 'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> std::io::Result<ScopedJoinHandle<'scope, T>> {
        thread::Builder::new().spawn_scoped(scope, move || {
            if self == Self::Background {
                lower_thread_priority();
            }
            work()
        })
    }
}

/// Lowers the priority of the calling thread. If the system does not permit it, all threads keep
/// the same priority.
#[cfg(target_os = "linux")]
fn lower_thread_priority() {
    // On Linux this changes the calling thread only; POSIX says that it changes the process
    // (nice(2), "C library/kernel differences").
    if let Err(error) = rustix::process::nice(BACKGROUND_NICENESS) {
        tracing::debug!("cannot lower the priority of a thread: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
const fn lower_thread_priority() {}
