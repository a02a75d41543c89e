//! A signal ends a tool, but not before what must not stay behind is cleared away.
//!
//! The first SIGINT, SIGTERM or SIGHUP clears away, and then the process dies by that signal, so that a shell sees which
//! one it was. A second one ends it at once. One that the parent has set to be ignored, as `nohup` does, stays ignored.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals, low_level};

use crate::progress::Progress;

/// How long clearing away may take in all.
const LIMIT: Duration = Duration::from_millis(1800);

/// How long a document that is being written is waited for. Whoever reads it may have stopped reading.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How soon after a signal another one of its kind is the same one: `timeout` sends each twice, to its child and to the
/// child's group.
const ECHO: Duration = Duration::from_millis(100);

/// How often it is looked whether all is cleared away.
const STEP: Duration = Duration::from_millis(2);

type Cleanup = Box<dyn FnOnce() + Send>;

/// What other libraries want done, each of which must be quick.
static CLEANUPS: Mutex<Vec<Cleanup>> = Mutex::new(Vec::new());

/// Whether a signal has come, as its handler notes at once: the end of the stage before may be seen in the same moment.
static COME: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Whether somebody waits for signals.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Held while a document is written.
static WRITING: Mutex<()> = Mutex::new(());

/// Lets `cleanup` run where a signal ends the process. It has about a second.
pub fn on_signal(cleanup: impl FnOnce() + Send + 'static) {
    let mut cleanups = CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner);
    cleanups.push(Box::new(cleanup));
}

/// Says whether a signal is ending the process: from then on nothing is said and nobody ends it otherwise.
pub(crate) fn is_ending() -> bool {
    WATCHED.load(Ordering::SeqCst) && COME.load(Ordering::SeqCst)
}

/// Waits for the end, where a signal is bringing it about.
pub(crate) fn wait_if_ending() {
    while is_ending() {
        thread::park_timeout(Duration::from_secs(1));
    }
}

/// Keeps a signal from ending the process for a moment, as long as this is held. Once a signal has come, this waits for the end.
pub(crate) fn postpone() -> MutexGuard<'static, ()> {
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to wait for signals.
///
/// # Errors
///
/// Fails where the operating system gives no thread or no handler.
pub(crate) fn watch(progress: Progress) -> io::Result<()> {
    let ignored = ignored();
    let watched: Vec<i32> = [SIGHUP, SIGINT, SIGTERM]
        .into_iter()
        .filter(|signal| ignored & (1 << (signal - 1)) == 0)
        .collect();
    let mut signals = Signals::new(&watched)?;
    for signal in &watched {
        flag::register(*signal, Arc::clone(&COME))?;
    }
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                COME.store(true, Ordering::SeqCst);
                let last = end(signal, &mut signals, progress);
                // It ends the process. Where it cannot, the tool goes on to its own end.
                drop(low_level::emulate_default_handler(last));
                WATCHED.store(false, Ordering::SeqCst);
            }
        })?;
    WATCHED.store(true, Ordering::SeqCst);
    Ok(())
}

/// Clears away, for as long as that may take and no second signal comes. Returns the signal to die by.
fn end(signal: i32, signals: &mut Signals, progress: Progress) -> i32 {
    let started = Instant::now();
    let clearing = thread::Builder::new().spawn(move || clear_away(&progress));
    let Ok(clearing) = clearing else {
        soci_layout::remove_unfinished();
        return signal;
    };
    while !clearing.is_finished() && started.elapsed() < LIMIT {
        let is_echo = |other: &i32| *other == signal && started.elapsed() < ECHO;
        if let Some(second) = signals.pending().find(|other| !is_echo(other)) {
            return second;
        }
        thread::sleep(STEP);
    }
    signal
}

fn clear_away(progress: &Progress) {
    finish_writing();
    soci_layout::remove_unfinished();
    progress.clear();
    let cleanups = std::mem::take(&mut *CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner));
    for cleanup in cleanups {
        cleanup();
    }
}

/// Lets a document get out whole, and no other one begin.
fn finish_writing() {
    let started = Instant::now();
    loop {
        match WRITING.try_lock() {
            Err(TryLockError::WouldBlock) if started.elapsed() < LAST_WORDS => thread::sleep(STEP),
            Err(TryLockError::WouldBlock) => return,
            Ok(whole) => return std::mem::forget(whole),
            Err(TryLockError::Poisoned(whole)) => return std::mem::forget(whole.into_inner()),
        }
    }
}

/// Returns the set of signals that are ignored, a bit for each. Nothing is known of it where there is no `/proc`.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}
