//! Decides how many connections download the blobs of a registry, from how fast their bytes arrive.
//!
//! Each blob has one connection. While its reader waits for bytes, more are tried: 1, then 3, then
//! [`MAX_EXTRA`], for all blobs together. They stay if the bytes arrive clearly faster with them,
//! or if the reader need not wait any longer. None are tried while this process keeps the
//! processors busy. See `docs/design/0014-adaptive-ranges.md`.

use std::time::Duration;

/// The largest number of additional connections to a registry. Each holds at most one range in
/// memory.
pub(super) const MAX_EXTRA: usize = 6;

/// How long a rate is measured at least.
const WINDOW: Duration = Duration::from_millis(50);

/// Bytes that are measured at least, unless they take ten windows.
const WINDOW_BYTES: u64 = 1 << 20;

/// How long the connections of a trial are awaited before its rate is measured.
const LONGEST_START: Duration = Duration::from_secs(1);

/// How long a rate is measured before connections that seemed to pay are kept for good.
const REVIEW: Duration = Duration::from_millis(500);

/// Bytes that are received after a trial that did not pay before the next one. It is four times as
/// long after each further one.
const FIRST_PAUSE: u64 = 256 << 20;

/// The number of additional connections to one registry, and what it is decided from.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How many additional connections may be in use.
    extra: usize,
    /// How many are in use.
    held: usize,
    /// The count of received bytes before which no trial starts.
    paused_until: u64,
    /// The length of the next pause, in bytes.
    pause: u64,
    trial: Option<Trial>,
    window: Option<Window>,
    /// The trials that seemed to pay, and are to be reviewed. The last one is reviewed first.
    kept: Vec<Trial>,
    /// What is measured for the review.
    review: Option<Window>,
    /// The count of troubles in the last sample.
    troubles: u64,
}

/// A trial of more connections.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// The number of additional connections before.
    before: usize,
    /// The rate before, in bytes per second.
    rate: u64,
    started: Duration,
    /// Whether its connections deliver bytes, so that its rate is being measured.
    is_measured: bool,
}

/// A time in which a rate is measured.
#[derive(Debug)]
struct Window {
    started: Duration,
    /// The count of received bytes at the start.
    received: u64,
    /// How long readers waited.
    waited: Duration,
    /// The processor time at the start.
    worked: Duration,
    readers: usize,
}

/// What was measured in a window.
#[derive(Debug)]
struct Measured {
    elapsed: Duration,
    bytes: u64,
    /// Bytes per second.
    rate: u64,
    /// Whether the readers waited for at least an eighth of the time.
    is_waiting: bool,
    /// Whether this process used at least three quarters of the processors. Its readers then wait
    /// for a processor, too, as does a registry on the same machine.
    is_busy: bool,
}

/// The state of all downloads from a registry when a reader has got a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The time since any start.
    pub(super) now: Duration,
    /// Bytes that were received over all connections since that start.
    pub(super) received: u64,
    /// How long this reader waited for the chunk.
    pub(super) waited: Duration,
    /// How long each processor has worked for this process since that start, on average.
    pub(super) worked: Duration,
    /// How many blobs are being read.
    pub(super) readers: usize,
    /// How many additional connections have not received a byte yet.
    pub(super) starting: usize,
    /// How many requests were throttled, and how many bodies interrupted.
    pub(super) troubles: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            extra: 0,
            held: 0,
            paused_until: 0,
            pause: FIRST_PAUSE,
            trial: None,
            window: None,
            kept: Vec::new(),
            review: None,
            troubles: 0,
        }
    }
}

impl Pace {
    /// Returns how many additional connections may be in use.
    pub(super) const fn extra(&self) -> usize {
        self.extra
    }

    /// Takes an additional connection. Returns whether one was free.
    pub(super) const fn acquire(&mut self) -> bool {
        let is_free = self.held < self.extra;
        if is_free {
            self.held += 1;
        }
        is_free
    }

    /// Gives an additional connection back.
    pub(super) const fn release(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// Records that an additional connection could not be used: that the server ignores ranges, or
    /// refuses them.
    pub(super) fn stop(&mut self) {
        self.extra = 0;
        self.trial = None;
        self.kept.clear();
        self.paused_until = u64::MAX;
    }

    /// Records that a reader got a chunk, and decides anew when enough was measured.
    pub(super) fn observe(&mut self, sample: &Sample) {
        if sample.troubles != self.troubles {
            self.troubles = sample.troubles;
            self.shrink(sample);
        }
        self.review(sample);
        if self.is_trial_starting(sample) {
            self.window = None;
            return;
        }
        let Some(measured) = Window::measure(&mut self.window, sample) else {
            return;
        };
        if measured.elapsed < WINDOW
            || (measured.bytes < WINDOW_BYTES && measured.elapsed < 10 * WINDOW)
        {
            return;
        }
        self.window = Some(Window::at(sample));
        self.judge(sample, &measured);
    }

    /// Reviews the trial that was kept last. A short measurement may have been disturbed.
    fn review(&mut self, sample: &Sample) {
        if self.trial.is_some() || self.kept.is_empty() {
            self.review = None;
            return;
        }
        let Some(measured) = Window::measure(&mut self.review, sample) else {
            return;
        };
        if measured.elapsed < REVIEW {
            return;
        }
        self.review = None;
        match self.kept.pop() {
            Some(trial) if !trial.is_kept(self.held, sample.readers, &measured) => {
                self.give_up(&trial, sample);
            }
            _ => self.kept.clear(),
        }
    }

    /// Ends a trial, or starts one.
    fn judge(&mut self, sample: &Sample, measured: &Measured) {
        match self.trial.take() {
            Some(trial) if !trial.is_kept(self.held, sample.readers, measured) => {
                self.give_up(&trial, sample);
                return;
            }
            Some(trial) => {
                self.pause = FIRST_PAUSE;
                self.kept.push(trial);
            }
            None => {}
        }
        let may_grow = self.extra < MAX_EXTRA && sample.received >= self.paused_until;
        if measured.is_waiting && !measured.is_busy && may_grow {
            self.trial = Some(Trial {
                before: self.extra,
                rate: measured.rate,
                started: sample.now,
                is_measured: false,
            });
            self.extra = (2 * self.extra + 1).min(MAX_EXTRA);
            let (rate, extra) = (measured.rate, self.extra);
            tracing::debug!(
                "the reader waits, at {rate} bytes per second: trying {extra} more connections"
            );
        }
    }

    /// Uses as many connections as before a trial.
    fn give_up(&mut self, trial: &Trial, sample: &Sample) {
        self.extra = trial.before;
        self.pause(sample);
        let extra = self.extra;
        tracing::debug!("more connections do not pay: using {extra} more than one");
    }

    /// Uses fewer connections, since the registry throttles requests or breaks connections.
    fn shrink(&mut self, sample: &Sample) {
        let before = self.trial.take().map_or(self.extra, |trial| trial.before);
        self.kept.clear();
        self.extra = before / 2;
        self.pause(sample);
    }

    fn pause(&mut self, sample: &Sample) {
        self.paused_until = self
            .paused_until
            .max(sample.received.saturating_add(self.pause));
        self.pause = self.pause.saturating_mul(4);
    }

    /// Returns whether the connections of a trial have still to deliver their first bytes. Ends a
    /// trial whose connections were not opened in time.
    fn is_trial_starting(&mut self, sample: &Sample) -> bool {
        let Some(trial) = &mut self.trial else {
            return false;
        };
        if trial.is_measured {
            return false;
        }
        let is_open = self.held > trial.before;
        let is_late = sample.now.saturating_sub(trial.started) > LONGEST_START;
        trial.is_measured = is_open && (is_late || sample.starting == 0);
        if is_late && !is_open {
            self.extra = trial.before;
            self.trial = None;
            self.pause(sample);
            return false;
        }
        !trial.is_measured
    }
}

impl Trial {
    /// Returns whether its connections stay: if they pay, or if the readers need not wait any
    /// longer. Readers that have no processor do not wait for bytes, either, which shows nothing.
    fn is_kept(&self, held: usize, readers: usize, measured: &Measured) -> bool {
        let is_fed = !measured.is_waiting && !measured.is_busy;
        is_fed || self.pays(held, readers, measured.rate)
    }

    /// Returns whether a rate with `held` additional connections is clearly above the one before.
    /// If the network limits each connection, it grows with their number; if the network limits the
    /// client, it does not grow. A third of the growth is required.
    fn pays(&self, held: usize, readers: usize, rate: u64) -> bool {
        let before = (readers + self.before) as u128;
        let added = held.saturating_sub(self.before) as u128;
        u128::from(rate) * 3 * before >= u128::from(self.rate) * (3 * before + added)
    }
}

impl Window {
    /// Adds a sample to a window. Returns what was measured in it, or `None` if the window starts
    /// with the sample, because the readers are others than before.
    fn measure(window: &mut Option<Self>, sample: &Sample) -> Option<Measured> {
        let Some(window) = window
            .as_mut()
            .filter(|window| window.readers == sample.readers)
        else {
            *window = Some(Self::at(sample));
            return None;
        };
        window.waited += sample.waited;
        let elapsed = sample.now.saturating_sub(window.started);
        let bytes = sample.received.saturating_sub(window.received);
        let worked = sample.worked.saturating_sub(window.worked);
        let rate = u128::from(bytes) * 1_000_000 / elapsed.as_micros().max(1);
        let readers = u32::try_from(sample.readers.max(1)).unwrap_or(u32::MAX);
        Some(Measured {
            elapsed,
            bytes,
            rate: u64::try_from(rate).unwrap_or(u64::MAX),
            is_waiting: window.waited.saturating_mul(8) >= elapsed.saturating_mul(readers),
            is_busy: worked.saturating_mul(4) >= elapsed.saturating_mul(3),
        })
    }

    const fn at(sample: &Sample) -> Self {
        Self {
            started: sample.now,
            received: sample.received,
            waited: Duration::ZERO,
            worked: sample.worked,
            readers: sample.readers,
        }
    }
}

#[cfg(test)]
mod tests;
