//! A signal ends a tool, but not before what must not stay behind is cleared away.
//!
//! The first SIGINT, SIGTERM or SIGHUP clears away, and then the process dies by that signal, so that a shell sees which
//! one it was. A second one ends it at once. One that the parent has set to be ignored, as `nohup` does, stays ignored.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, iterator::Signals, low_level};

use crate::progress::Progress;

type Cleanup = Box<dyn FnOnce() + Send>;

/// What other libraries want done, each of which must be quick.
static CLEANUPS: Mutex<Vec<Cleanup>> = Mutex::new(Vec::new());

/// Whether a signal is ending the process: from then on nothing is said and nobody ends it otherwise.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Lets `cleanup` run where a signal ends the process. It has about a second.
pub fn on_signal(cleanup: impl FnOnce() + Send + 'static) {
    let mut cleanups = CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner);
    cleanups.push(Box::new(cleanup));
}

/// Says whether a signal is ending the process.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Relaxed)
}

/// Waits for the end, where a signal is bringing it about.
pub(crate) fn wait_if_ending() {
    while is_ending() {
        thread::park_timeout(Duration::from_secs(1));
    }
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
    let second = Arc::new(AtomicBool::new(false));
    for signal in &watched {
        flag::register_conditional_default(*signal, Arc::clone(&second))?;
    }
    let mut signals = Signals::new(&watched)?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                second.store(true, Ordering::Relaxed);
                ENDING.store(true, Ordering::Relaxed);
                clear_away(&progress);
                // It ends the process. Where it cannot, the tool goes on to its own end.
                drop(low_level::emulate_default_handler(signal));
                ENDING.store(false, Ordering::Relaxed);
            }
        })?;
    Ok(())
}

fn clear_away(progress: &Progress) {
    progress.clear();
    soci_layout::remove_unfinished();
    let cleanups = std::mem::take(&mut *CLEANUPS.lock().unwrap_or_else(PoisonError::into_inner));
    for cleanup in cleanups {
        cleanup();
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
