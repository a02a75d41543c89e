//! Signals: temporary files and open uploads are removed before a signal ends the tool.
//!
//! After the first SIGINT, SIGTERM or SIGHUP, temporary files are removed and registered cleanups
//! run, for less than two seconds in all. Then the process dies by that signal, so that its parent
//! sees which one it was. A second signal ends the process at once. A signal that the parent
//! process has set to be ignored, as `nohup` does, stays ignored.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals, low_level};

use crate::progress::Progress;

/// The maximum duration of all cleanups together.
const CLEANUP_LIMIT: Duration = Duration::from_millis(1800);

/// How long the cleanup waits for a document that is being written. The next stage may have stopped
/// reading.
const DOCUMENT_LIMIT: Duration = Duration::from_millis(300);

/// A repeated signal within this time counts as the same one: `timeout` sends each signal to its
/// child and to the child's process group.
const REPEAT_WINDOW: Duration = Duration::from_millis(100);

/// The interval between checks of whether the cleanup has finished.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

type Cleanup = Box<dyn FnOnce() + Send>;

/// The cleanups that other crates registered.
static CLEANUPS: Mutex<Vec<Cleanup>> = Mutex::new(Vec::new());

/// Whether a signal has arrived. The signal handler itself sets it, before any thread can see other
/// effects of the signal, such as the end of the previous stage.
static SIGNAL_ARRIVED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Whether the signal thread runs and will end the process after a signal.
static SIGNALS_HANDLED: AtomicBool = AtomicBool::new(false);

/// Locked while a document is written.
static DOCUMENT_LOCK: Mutex<()> = Mutex::new(());

/// Registers a cleanup to run when a signal ends the process. All cleanups together have about 1.5
/// seconds.
pub fn on_signal(cleanup: impl FnOnce() + Send + 'static) {
    let mut cleanups = CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner);
    cleanups.push(Box::new(cleanup));
}

/// Returns whether a signal is ending the process. If so, the tool prints nothing more and leaves
/// the end of the process to the signal thread.
pub(crate) fn is_terminating() -> bool {
    SIGNALS_HANDLED.load(Ordering::SeqCst) && SIGNAL_ARRIVED.load(Ordering::SeqCst)
}

/// Blocks until the process ends, if a signal is ending it.
pub(crate) fn wait_if_terminating() {
    while is_terminating() {
        thread::park_timeout(Duration::from_secs(1));
    }
}

/// Delays the end of the process by a signal while the guard lives, for at most [`DOCUMENT_LIMIT`].
/// If a signal is already ending the process, this blocks until the process ends.
pub(crate) fn defer_termination() -> MutexGuard<'static, ()> {
    DOCUMENT_LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the signal handlers and starts the signal thread.
///
/// # Errors
///
/// Returns an error if the operating system refuses a handler or the thread.
pub(crate) fn handle_signals(progress: Progress) -> io::Result<()> {
    let ignored = read_ignored_signals();
    let handled: Vec<i32> = [SIGHUP, SIGINT, SIGTERM]
        .into_iter()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0)
        .collect();
    let mut signals = Signals::new(&handled)?;
    for signal in &handled {
        flag::register(*signal, Arc::clone(&SIGNAL_ARRIVED))?;
    }
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                SIGNAL_ARRIVED.store(true, Ordering::SeqCst);
                let last = clean_up_with_limit(signal, &mut signals, progress);
                // This ends the process. If it cannot, the tool runs to its own end.
                drop(low_level::emulate_default_handler(last));
                SIGNALS_HANDLED.store(false, Ordering::SeqCst);
            }
        })?;
    SIGNALS_HANDLED.store(true, Ordering::SeqCst);
    Ok(())
}

/// Runs the cleanup until it has finished, [`CLEANUP_LIMIT`] has passed, or a second signal
/// arrives. Returns the signal that is to end the process.
fn clean_up_with_limit(signal: i32, signals: &mut Signals, progress: Progress) -> i32 {
    let started = Instant::now();
    let cleanup = thread::Builder::new().spawn(move || clean_up(&progress));
    let Ok(cleanup) = cleanup else {
        soci_layout::remove_unfinished();
        return signal;
    };
    while !cleanup.is_finished() && started.elapsed() < CLEANUP_LIMIT {
        let is_repeated = |other: &i32| *other == signal && started.elapsed() < REPEAT_WINDOW;
        if let Some(second) = signals.pending().find(|other| !is_repeated(other)) {
            return second;
        }
        thread::sleep(POLL_INTERVAL);
    }
    signal
}

fn clean_up(progress: &Progress) {
    lock_out_documents();
    soci_layout::remove_unfinished();
    progress.clear();
    let cleanups = std::mem::take(&mut *CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner));
    for cleanup in cleanups {
        cleanup();
    }
}

/// Waits up to [`DOCUMENT_LIMIT`] for a document that is being written, and prevents the start of
/// another one.
fn lock_out_documents() {
    let started = Instant::now();
    loop {
        match DOCUMENT_LOCK.try_lock() {
            Err(TryLockError::WouldBlock) if started.elapsed() < DOCUMENT_LIMIT => {
                thread::sleep(POLL_INTERVAL);
            }
            Err(TryLockError::WouldBlock) => return,
            Ok(guard) => return std::mem::forget(guard),
            Err(TryLockError::Poisoned(guard)) => return std::mem::forget(guard.into_inner()),
        }
    }
}

/// Returns the set of ignored signals from `/proc/self/status`: bit 0 for signal 1, and so on. It
/// is empty on systems without `/proc`.
fn read_ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}
